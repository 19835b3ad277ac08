//! Elements of arrays by their flat position and by their indices. Values are stored with the last index fastest; indices count
//! from 1.

/// The indices of the element at a flat position; empty for a number.
pub fn subscripts(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices = vec![0; shape.len()];
    for (index, &length) in indices.iter_mut().zip(shape).rev() {
        *index = flat % length.max(1) + 1;
        flat /= length.max(1);
    }
    indices
}

/// The same as messages write them, `2, 3`.
pub fn subscripts_text(flat: usize, shape: &[usize]) -> String {
    let indices = subscripts(flat, shape);
    let indices: Vec<String> = indices.iter().map(usize::to_string).collect();
    indices.join(", ")
}
