//! The program's own text: nearly all of it builds walls, and pid 1 lives as long as the agent.

/// Lets go of the program's text and constants. What runs again comes back from the page cache by itself; what built
/// the walls does not. Where it fails, memory is all that it costs.
pub(super) fn let_go() {
    // SAFETY: takes plain numbers; one that the kernel did not give is 0.
    let known = |what| unsafe { libc::getauxval(what) } as usize;
    let (first, count, page) = (known(libc::AT_PHDR), known(libc::AT_PHNUM), known(libc::AT_PAGESZ));
    if first == 0 || page == 0 {
        return;
    }
    // SAFETY: the kernel says where it mapped the program's own headers, and how many they are; they are never written.
    let headers = unsafe { std::slice::from_raw_parts(first as *const libc::Elf64_Phdr, count) };
    let Some(own) = headers.iter().find(|header| header.p_type == libc::PT_PHDR) else { return };
    let base = first.wrapping_sub(own.p_vaddr as usize);
    let constant = |header: &&libc::Elf64_Phdr| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0;
    for part in headers.iter().filter(constant) {
        let start = base.wrapping_add(part.p_vaddr as usize);
        let (from, to) = (start - start % page, start + part.p_memsz as usize);
        // SAFETY: a part of the program's file that is mapped without the right to write, so that what is let go is
        // read from the file again as it was. Nothing that was relocated or written lies in it.
        unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
    }
}
