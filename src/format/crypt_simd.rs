//! The byte substitutions of [`super::crypt`] on 64 bytes at a time, where the processor can look them up in a register (AVX-512 VBMI).
//!
//! Decoding is most of the work of reading large attachments: this makes it several times as fast as a table in memory. Everywhere
//! else, and without the feature `simd`, the plain loops do the same.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_mask_add_epi8, _mm512_mask_blend_epi8,
    _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_storeu_si512, _mm512_sub_epi8,
};

/// Bytes in a register.
const STEP: usize = 64;

/// Whether this processor can.
#[inline]
pub(super) fn is_here() -> bool {
    std::arch::is_x86_feature_detected!("avx512vbmi") && std::arch::is_x86_feature_detected!("avx512bw")
}

/// Looks each byte of `from` up in `table`. Does nothing where [`is_here`] says no.
pub(super) fn substitute(table: &[u8; 256], from: &[u8], to: &mut [u8]) {
    if is_here() {
        // SAFETY: the processor has the instructions that the function needs.
        unsafe { substitute_vbmi(table, from, to) }
    }
}

/// Decodes and encodes with the cyclic method alike, in place. `w` is the key of the first byte. Does nothing where [`is_here`] says
/// no.
pub(super) fn cyclic(tables: [&[u8; 256]; 3], w: u16, data: &mut [u8]) {
    if is_here() {
        // SAFETY: the processor has the instructions that the function needs.
        unsafe { cyclic_vbmi(tables, w, data) }
    }
}

/// A table of 256 bytes in four registers.
#[derive(Clone, Copy)]
struct Table([__m512i; 4]);

#[target_feature(enable = "avx512vbmi,avx512bw")]
#[inline]
fn load(bytes: &[u8; STEP]) -> __m512i {
    // SAFETY: 64 bytes are read, and the reference is to 64; they need no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512vbmi,avx512bw")]
#[inline]
fn store(bytes: &mut [u8; STEP], v: __m512i) {
    // SAFETY: 64 bytes are written, and the reference is to 64; they need no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), v) }
}

#[target_feature(enable = "avx512vbmi,avx512bw")]
#[inline]
fn registers(table: &[u8; 256]) -> Table {
    let mut quarters = table.as_chunks::<STEP>().0.iter();
    Table(std::array::from_fn(|_| load(quarters.next().unwrap_or(&[0; STEP]))))
}

#[target_feature(enable = "avx512vbmi,avx512bw")]
#[inline]
fn look(table: Table, v: __m512i) -> __m512i {
    let Table([a, b, c, d]) = table;
    // the low seven bits choose within a pair of registers, the eighth between the pairs
    let (low, high) = (_mm512_permutex2var_epi8(a, v, b), _mm512_permutex2var_epi8(c, v, d));
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), low, high)
}

#[target_feature(enable = "avx512vbmi,avx512bw")]
fn substitute_vbmi(table: &[u8; 256], from: &[u8], to: &mut [u8]) {
    let table = registers(table);
    let (from, rest) = from.as_chunks::<STEP>();
    let (to, to_rest) = to.as_chunks_mut::<STEP>();
    for (to, from) in to.iter_mut().zip(from) {
        store(to, look(table, load(from)));
    }
    let mut last = padded(rest);
    let decoded = look(table, load(&last));
    store(&mut last, decoded);
    to_rest.iter_mut().zip(last).for_each(|(to, b)| *to = b);
}

/// The bytes behind the last whole step, filled up.
fn padded(rest: &[u8]) -> [u8; STEP] {
    let mut all = [0; STEP];
    all.iter_mut().zip(rest).for_each(|(to, b)| *to = *b);
    all
}

#[target_feature(enable = "avx512vbmi,avx512bw")]
fn cyclic_vbmi(tables: [&[u8; 256]; 3], mut w: u16, data: &mut [u8]) {
    let [r, s, i] = tables.map(|t| registers(t));
    let mut count = [0u8; STEP];
    for (n, b) in (0u8..).zip(&mut count) {
        *b = n;
    }
    let count = load(&count);
    let mut step = |chunk: &mut [u8; STEP]| {
        let [low, high] = w.to_le_bytes().map(|b| _mm512_set1_epi8(i8::from_le_bytes([b])));
        // the key counts up byte by byte: its high byte is one more from where the low byte has wrapped
        let lo = _mm512_add_epi8(low, count);
        let hi = _mm512_mask_add_epi8(high, _mm512_cmplt_epu8_mask(lo, low), high, _mm512_set1_epi8(1));
        let v = look(r, _mm512_add_epi8(load(chunk), lo));
        let v = look(s, _mm512_add_epi8(v, hi));
        let v = look(i, _mm512_sub_epi8(v, hi));
        store(chunk, _mm512_sub_epi8(v, lo));
        w = w.wrapping_add(64);
    };
    let (chunks, rest) = data.as_chunks_mut::<STEP>();
    chunks.iter_mut().for_each(&mut step);
    let mut last = padded(rest);
    step(&mut last);
    rest.iter_mut().zip(last).for_each(|(to, b)| *to = b);
}
