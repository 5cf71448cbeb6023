//! Converters to hashes.

use sha2::digest::Digest;

use super::{Args, Function, ParamKind, p};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::text::hex;
use crate::ottl::value::Value;

const VALUE: &[super::Param] = &[p("value", ParamKind::Text)];

pub const FUNCTIONS: &[Function] = &[
    Function::converter("FNV", VALUE, fnv, "FNV-1a, 64 bits, as an int."),
    Function::converter("MD5", VALUE, digest::<md5::Md5>, "MD5 as hex digits."),
    Function::converter(
        "Murmur3Hash",
        VALUE,
        murmur32,
        "MurmurHash3 of 32 bits, hex digits of its little-endian bytes.",
    ),
    Function::converter(
        "Murmur3Hash128",
        VALUE,
        murmur128,
        "MurmurHash3 of 128 bits, hex digits of its little-endian bytes.",
    ),
    Function::converter("SHA1", VALUE, digest::<sha1::Sha1>, "SHA-1 as hex digits."),
    Function::converter("SHA256", VALUE, digest::<sha2::Sha256>, "SHA-256 as hex digits."),
    Function::converter("SHA512", VALUE, digest::<sha2::Sha512>, "SHA-512 as hex digits."),
    Function::converter("XXH128", VALUE, xxh128, "XXH3 of 128 bits as hex digits."),
    Function::converter("XXH3", VALUE, xxh3, "XXH3 of 64 bits as hex digits."),
];

fn digest<'a, D: Digest>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(hex(&D::digest(args.text(0, view)?.as_bytes()))))
}

fn fnv<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let hash = args.text(0, view)?.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Ok(Value::Int(hash as i64))
}

fn xxh3<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(args.text(0, view)?.as_bytes()))))
}

fn xxh128<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(args.text(0, view)?.as_bytes()))))
}

fn murmur32<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(hex(&murmur3_32(args.text(0, view)?.as_bytes()).to_le_bytes())))
}

fn murmur128<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (first, second) = murmur3_128(args.text(0, view)?.as_bytes());
    Ok(Value::text(hex(&first.to_le_bytes()) + &hex(&second.to_le_bytes())))
}

/// MurmurHash3_x86_32 with seed 0.
fn murmur3_32(data: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = data.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash ^= mix(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    if !tail.is_empty() {
        hash ^= mix(u32::from_le_bytes(last));
    }
    hash ^= data.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// MurmurHash3_x64_128 with seed 0.
fn murmur3_128(data: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let halves = |block: [u8; 16]| {
        let whole = u128::from_le_bytes(block);
        (whole as u64, (whole >> 64) as u64)
    };
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = data.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(*block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    last[..tail.len()].copy_from_slice(tail);
    let (k1, k2) = halves(last);
    h1 ^= mix1(k1);
    h2 ^= mix2(k2);
    let len = data.len() as u64;
    h1 ^= len;
    h2 ^= len;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    let finish = |mut hash: u64| {
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    };
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}
