#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| andante_fuzz::set(data));
