//! The C interface of a compiled model: what the functions of its header do. Each has the model's [`Table`] as its first
//! argument; the functions that users see have the prefix of their file, no such argument, and are written by the compiler
//! (`jit/interface.rs` there, which also has their documentation: the header).
//!
//! Nothing here unwinds: a null pointer where numbers are needed is a mistake of the caller, as in C.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::ptr;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use likelier_runtime::math::ode::Workspace;
use likelier_runtime::random::{Purpose, Stream};

use crate::context::{Context, Entry, FIXED_PARTS};
use crate::level::Level;
use crate::memory::Aligned;
use crate::parts::settle;
use crate::symbol::{Symbol, symbols};

/// The version of the interface: it changes when a program that was written for an older one would go wrong.
pub const VERSION: u32 = 1;

/// What a model's file says of the model. Every field has eight bytes; the compiler writes them in this order.
#[repr(C)]
pub struct Table {
    /// The place of its level in [`Level::ALL`].
    pub level: usize,
    /// Coordinates of a position.
    pub dimension: usize,
    /// Soft and hard constraints.
    pub constraints: usize,
    /// Constrained values of the unknowns.
    pub parameters: usize,
    /// Values of a draw, of which the parameters come first.
    pub outputs: usize,
    /// Bytes of scratch that the programs need.
    pub scratch: usize,
    /// The arena of data.
    pub data: *const u8,
    /// Parts and gradient.
    pub gradient: Entry,
    /// A prior draw.
    pub start: Entry,
    /// What is stored for a draw.
    pub values: Entry,
    /// Constrained values to a position.
    pub unconstrain: Entry,
    /// The name and version of the compiler.
    pub compiler: *const c_char,
    /// The name of the model.
    pub model: *const c_char,
    /// The CPU level.
    pub cpu: *const c_char,
    /// Which coordinates a position holds.
    pub coordinates: *const c_char,
    /// The names of the constraints.
    pub constraint_names: *const *const c_char,
    /// The names of the values of a draw.
    pub output_names: *const *const c_char,
    /// What each of these is, a byte each.
    pub output_kinds: *const u8,
}

/// Working memory of one thread.
pub struct State {
    scratch: Aligned,
    trajectories: Workspace,
    weights: Vec<f64>,
    parts: Vec<f64>,
    origin: Vec<f64>,
    gradient: Vec<f64>,
    outputs: Vec<f64>,
}

impl State {
    fn new(table: &Table) -> State {
        State {
            scratch: Aligned::zeroed(table.scratch),
            trajectories: Workspace::default(),
            weights: vec![1.0; table.constraints + 1],
            parts: vec![0.0; table.constraints + FIXED_PARTS],
            origin: vec![0.0; table.dimension],
            gradient: vec![0.0; table.dimension],
            outputs: vec![0.0; table.outputs],
        }
    }

    /// Runs a program with the weights and parts of this state.
    ///
    /// # Safety
    /// The addresses have as many numbers as the program reads or writes.
    unsafe fn run(&mut self, table: &Table, program: Entry, call: Call) {
        self.trajectories.clear();
        let context = Context {
            position: call.position,
            gradient: call.gradient,
            given: call.given,
            output: call.output,
            scratch: self.scratch.start().cast_mut(),
            data: table.data,
            weights: self.weights.as_ptr(),
            parts: self.parts.as_mut_ptr(),
            stream: call.stream.map_or(ptr::null_mut(), ptr::from_mut),
            trajectories: &raw mut self.trajectories,
        };
        // SAFETY: the caller says so; scratch, weights and parts were made for this model.
        unsafe { program(&context) }
    }

    /// Runs a program that writes to its output.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn forward(&mut self, table: &Table, program: Entry, call: Call) {
        self.weights.fill(1.0);
        // SAFETY: the caller says so.
        unsafe { self.run(table, program, call) }
    }

    /// What is stored for a draw, in this state's own outputs.
    ///
    /// # Safety
    /// `position` has `dimension` numbers.
    unsafe fn outputs(&mut self, table: &Table, position: *const f64, stream: Option<&mut Stream>) {
        let call = Call {
            position,
            output: self.outputs.as_mut_ptr(),
            stream,
            ..Call::default()
        };
        // SAFETY: the outputs were made for this model.
        unsafe { self.forward(table, table.values, call) }
    }
}

/// What one call of a program reads and writes.
#[derive(Default)]
struct Call<'a> {
    position: *const f64,
    given: *const f64,
    gradient: *mut f64,
    output: *mut f64,
    stream: Option<&'a mut Stream>,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_interface_version(_: &Table) -> u32 {
    VERSION
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_compiler(table: &Table) -> *const c_char {
    table.compiler
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_model(table: &Table) -> *const c_char {
    table.model
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_cpu(table: &Table) -> *const c_char {
    table.cpu
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_coordinates(table: &Table) -> *const c_char {
    table.coordinates
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_dimension(table: &Table) -> usize {
    table.dimension
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_parameter_count(table: &Table) -> usize {
    table.parameters
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_output_count(table: &Table) -> usize {
    table.outputs
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_constraint_count(table: &Table) -> usize {
    table.constraints
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_output_name(table: &Table, index: usize) -> *const c_char {
    // SAFETY: the table holds so many names.
    unsafe { element(table.output_names, table.outputs, index) }.unwrap_or(ptr::null())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_output_kind(table: &Table, index: usize) -> c_int {
    // SAFETY: the table holds so many kinds.
    unsafe { element(table.output_kinds, table.outputs, index) }.map_or(-1, c_int::from)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_constraint_name(table: &Table, index: usize) -> *const c_char {
    // SAFETY: the table holds so many names.
    unsafe { element(table.constraint_names, table.constraints, index) }.unwrap_or(ptr::null())
}

/// # Safety
/// The list has `count` elements.
unsafe fn element<T: Copy>(list: *const T, count: usize, index: usize) -> Option<T> {
    // SAFETY: the caller says so.
    (index < count).then(|| unsafe { *list.add(index) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_new(table: &Table) -> *mut State {
    match Level::ALL[table.level].is_here() {
        true => Box::into_raw(Box::new(State::new(table))),
        false => ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_free(_: &Table, state: *mut State) {
    if !state.is_null() {
        // SAFETY: a state comes from `likelier_table_new` and is freed once.
        drop(unsafe { Box::from_raw(state) });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_log_density(
    table: &Table,
    state: &mut State,
    position: *const f64,
    weights: *const f64,
    gradient: *mut f64,
    parts: *mut f64,
) -> f64 {
    match weights.is_null() {
        true => state.weights.fill(1.0),
        // SAFETY: the caller gives a weight for each constraint and one for the likelihood.
        false => state
            .weights
            .copy_from_slice(unsafe { from_raw_parts(weights, table.constraints + 1) }),
    }
    let gradient = match gradient.is_null() {
        true => state.gradient.as_mut_ptr(),
        false => gradient,
    };
    let call = Call {
        position,
        gradient,
        ..Call::default()
    };
    // SAFETY: the caller gives `dimension` numbers, and room for as many.
    unsafe {
        from_raw_parts_mut(gradient, table.dimension).fill(0.0);
        state.run(table, table.gradient, call);
    }
    let total = settle(&state.weights, &mut state.parts);
    if !parts.is_null() {
        // SAFETY: the caller gives room for the fixed parts and one for each constraint.
        unsafe { from_raw_parts_mut(parts, state.parts.len()) }.copy_from_slice(&state.parts);
    }
    total
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_constrain(
    table: &Table,
    state: &mut State,
    position: *const f64,
    values: *mut f64,
) {
    // SAFETY: the caller gives `dimension` numbers, and room for `parameters`.
    unsafe {
        state.outputs(table, position, None);
        from_raw_parts_mut(values, table.parameters)
            .copy_from_slice(&state.outputs[..table.parameters]);
    }
}

/// Values that come back from their own position are inside their support: those of a vector that must sum to one are then
/// known to do so.
#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_unconstrain(
    table: &Table,
    state: &mut State,
    values: *const f64,
    position: *mut f64,
) -> c_int {
    let call = Call {
        position: state.origin.as_ptr(),
        given: values,
        output: position,
        ..Call::default()
    };
    // SAFETY: the caller gives `parameters` numbers, and room for `dimension`.
    let (values, position) = unsafe {
        state.forward(table, table.unconstrain, call);
        (
            from_raw_parts(values, table.parameters),
            from_raw_parts(position, table.dimension),
        )
    };
    if !position.iter().all(|coordinate| coordinate.is_finite()) {
        return 0;
    }
    // SAFETY: as above.
    unsafe { state.outputs(table, position.as_ptr(), None) };
    let returns =
        |(value, again): (&f64, &f64)| (value - again).abs() <= 1e-8 * value.abs().max(1.0);
    c_int::from(values.iter().zip(&state.outputs).all(returns))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_prior_draw(
    table: &Table,
    state: &mut State,
    seed: u64,
    number: u64,
    position: *mut f64,
) {
    let mut stream = Stream::new(seed, Purpose::Start, 0);
    stream.at(number);
    let call = Call {
        position: state.origin.as_ptr(),
        output: position,
        stream: Some(&mut stream),
        ..Call::default()
    };
    // SAFETY: the caller gives room for `dimension` numbers.
    unsafe { state.forward(table, table.start, call) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn likelier_table_simulate(
    table: &Table,
    state: &mut State,
    position: *const f64,
    seed: u64,
    chain: u32,
    draw: u64,
    outputs: *mut f64,
) {
    let mut stream = Stream::new(seed, Purpose::Output, chain);
    stream.at(draw);
    // SAFETY: the caller gives `dimension` numbers, and room for `outputs`.
    unsafe {
        state.outputs(table, position, Some(&mut stream));
        from_raw_parts_mut(outputs, table.outputs).copy_from_slice(&state.outputs);
    }
}

/// The functions of this file. A program that links the library, not the archive, has no other use of them.
pub fn addresses() -> Vec<Symbol> {
    symbols! { "";
        likelier_table_interface_version likelier_table_compiler likelier_table_model
        likelier_table_cpu likelier_table_coordinates likelier_table_dimension
        likelier_table_parameter_count likelier_table_output_count
        likelier_table_constraint_count likelier_table_output_name
        likelier_table_output_kind likelier_table_constraint_name likelier_table_new
        likelier_table_free likelier_table_log_density likelier_table_constrain
        likelier_table_unconstrain likelier_table_prior_draw likelier_table_simulate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn nothing(_: *const Context) {}

    fn table(level: usize) -> Table {
        Table {
            level,
            dimension: 2,
            constraints: 0,
            parameters: 2,
            outputs: 2,
            scratch: 0,
            data: ptr::null(),
            gradient: nothing,
            start: nothing,
            values: nothing,
            unconstrain: nothing,
            compiler: ptr::null(),
            model: ptr::null(),
            cpu: ptr::null(),
            coordinates: ptr::null(),
            constraint_names: ptr::null(),
            output_names: ptr::null(),
            output_kinds: ptr::null(),
        }
    }

    #[test]
    fn code_of_a_level_that_is_not_here_is_not_run() {
        for (place, level) in Level::ALL.into_iter().enumerate() {
            let table = table(place);
            // SAFETY: the table says what is true of its programs, which do nothing.
            unsafe {
                let state = likelier_table_new(&table);
                assert_eq!(state.is_null(), !level.is_here(), "{}", level.name());
                likelier_table_free(&table, state);
            }
        }
    }
}
