//! Names by which native code finds a function.

/// A function that native code may call.
pub struct Symbol {
    /// The name under which the function is linked.
    pub name: &'static str,
    /// Where it is in this process.
    pub address: *const u8,
}

/// The functions of these names as symbols, each linked under a prefix and its name.
macro_rules! symbols {
    ($prefix:expr; $($function:ident)*) => {
        vec![$($crate::symbol::Symbol {
            name: concat!($prefix, stringify!($function)),
            address: $function as *const u8,
        }),*]
    };
}

pub(crate) use symbols;
