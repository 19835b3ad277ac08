//! Names by which native code finds a function.

/// A function that native code may call.
pub struct Symbol {
    /// The name under which the function is linked.
    pub name: &'static str,
    /// Where it is in this process.
    pub address: *const u8,
}
