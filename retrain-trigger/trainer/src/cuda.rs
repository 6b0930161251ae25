//! libtorch's CUDA part, found at run time: one program runs with a GPU and without.
//!
//! The program is linked with libtorch's CPU part alone. `libtorch_cuda.so` registers its kernels when it is loaded, which must
//! happen before libtorch is first asked for CUDA: it remembers that answer.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Errors: what the loader says, in words.
#[expect(unsafe_code, reason = "loading a library runs its initialisers; libtorch's are meant to be run so")]
pub(crate) fn load() -> Result<(), String> {
    // SAFETY: the library is the sibling of the libtorch that this program is linked with (the same rpath); its initialisers
    // register kernels and have no other precondition, and it is never unloaded.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|error| error.to_string())?;
    std::mem::forget(library);
    Ok(())
}
