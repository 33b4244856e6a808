use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ROOM, TAR, without};

/// Without a pattern, as a picture or ciphertext is.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn left(body: &[u8], known: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    without(body, &mut |part| known.contains(&part))
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(bytes, 6)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    [&b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0"[..], &deflated(bytes), b"checksum"].concat()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, bytes) in files {
        let mut head = [0; TAR];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        head[148..156].copy_from_slice(b"        ");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        all.extend_from_slice(&head);
        all.extend_from_slice(bytes);
        all.resize(all.len().next_multiple_of(TAR), 0);
    }
    all.resize(all.len() + 2 * TAR, 0);
    all
}

fn zip(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, bytes, packed) in files {
        let body = if *packed { deflated(bytes) } else { bytes.to_vec() };
        all.extend_from_slice(b"PK\x03\x04\x14\0\0\0");
        all.extend_from_slice(&[if *packed { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for size in [body.len(), bytes.len()] {
            all.extend_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        }
        all.extend_from_slice(&[u8::try_from(name.len()).unwrap(), 0, 0, 0]);
        all.extend_from_slice(name.as_bytes());
        all.extend_from_slice(&body);
    }
    all.extend_from_slice(b"PK\x01\x02the directory");
    all
}

fn pack(blobs: &[&[u8]]) -> Vec<u8> {
    let mut all = b"00a8refs/heads/main 0000PACK\0\0\0\x02\0\0\0\x01".to_vec();
    for blob in blobs {
        let size = blob.len();
        all.push(0x80 | 3 << 4 | u8::try_from(size & 15).unwrap());
        all.extend_from_slice(&[0x80 | u8::try_from(size >> 4 & 127).unwrap(), u8::try_from(size >> 11).unwrap()]);
        all.extend_from_slice(&miniz_oxide::deflate::compress_to_vec_zlib(blob, 6));
    }
    all.extend_from_slice(&[7; 20]);
    all
}

fn multipart(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(b"--bo\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n");
        all.extend_from_slice(part);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"--bo--\r\n");
    all
}

fn json(files: &[&[u8]]) -> Vec<u8> {
    let one = |file: &&[u8]| serde_json::json!({"path": "a \"b\"", "content": STANDARD.encode(file)});
    serde_json::to_vec(&files.iter().map(one).collect::<Vec<_>>()).unwrap()
}

fn holds(pieces: &[Vec<u8>], what: &[u8]) -> bool {
    pieces.iter().any(|piece| memchr::memmem::find(piece, what).is_some())
}

type Wrap = fn(&[&[u8]]) -> Vec<u8>;

/// One that is known and one that is not, in everything that holds several.
#[test]
fn what_is_known_goes_and_all_else_stays_as_it_stood() {
    let (known, other) = (noise(1, 3000), noise(2, 3000));
    let wraps: [Wrap; 9] = [
        multipart,
        json,
        |files| tar(&files.iter().map(|file| ("n", *file)).collect::<Vec<_>>()),
        |files| zip(&files.iter().map(|file| ("n", *file, false)).collect::<Vec<_>>()),
        |files| zip(&files.iter().map(|file| ("n", *file, true)).collect::<Vec<_>>()),
        pack,
        // A crate as it is published: lengths, what describes it, and its archive.
        |files| {
            [&b"\x02\0\0\0{}\x09\0\0\0"[..], &gzip(&tar(&files.iter().map(|file| ("n", *file)).collect::<Vec<_>>()))]
                .concat()
        },
        |files| json(&[&gzip(&tar(&files.iter().map(|file| ("n", *file)).collect::<Vec<_>>()))]),
        |files| multipart(&[b"1", &zip(&files.iter().map(|file| ("n", *file, true)).collect::<Vec<_>>())]),
    ];
    for (at, wrap) in wraps.iter().enumerate() {
        let body = wrap(&[&known, &other]);
        assert_eq!(left(&body, &[]), None, "{at}");
        let pieces = left(&body, &[&known]).unwrap_or_else(|| panic!("{at}: nothing was known"));
        let forms = |file: &[u8]| [file.to_vec(), STANDARD.encode(file).into_bytes(), deflated(file)];
        let any = |pieces: &[Vec<u8>], file: &[u8], bytes: usize| {
            forms(file).iter().any(|form| holds(pieces, &form[..bytes]))
        };
        assert!(!any(&pieces, &known, 64) && any(&pieces, &other, 2900), "{at}");
        let none = left(&body, &[&known, &other]).unwrap();
        assert!(!any(&none, &known, 64) && !any(&none, &other, 64), "{at}");
    }
    assert_eq!(left(&known, &[&known]), Some(Vec::new()));
    assert_eq!(left(&gzip(&known), &[&known]).unwrap(), [b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0checksum"]);
    let text = "a line of a program\n".repeat(40);
    let asked = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let rest = left(asked.as_bytes(), &[text.as_bytes()]).unwrap();
    assert!(rest.len() == 1 && !holds(&rest, b"a line") && holds(&rest, b"\"content\":\"\""), "{rest:?}");
    let file = STANDARD.encode(&known);
    assert!(!holds(&left(&json(&[&known]), &[file.as_bytes()]).unwrap(), &file.as_bytes()[..64]), "base64 is the file");
}

/// A pack that ends in the middle is none: what was read of it is looked at once more, and nothing is cut out twice.
#[test]
fn a_pack_that_is_cut_off_is_left_as_it_stands() {
    let inner = gzip(&noise(7, 600));
    // Deflated without being packed, so that the mark within stands there plainly.
    let stored = miniz_oxide::deflate::compress_to_vec_zlib(&inner, 0);
    let mut body = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
    body.extend_from_slice(&[0xb0 | u8::try_from(inner.len() & 15).unwrap(), u8::try_from(inner.len() >> 4).unwrap()]);
    body.extend_from_slice(&stored);
    body.extend_from_slice(&pack(&[&noise(8, 600)])[40..60]);
    body.extend_from_slice(&inner);
    assert!(left(&body, &[&inner]).is_none_or(|pieces| !pieces.is_empty()));
    assert!(left(&body, &[&noise(7, 600)]).is_some_and(|pieces| holds(&pieces, b"PACK")));
    for end in 0..body.len() {
        left(&body[..end], &[&inner, &noise(7, 600)]);
    }
}

/// A tree names what came along, and says nothing by that; what it names besides may be anything.
#[test]
fn a_tree_is_left_without_the_ids_of_what_came_along() {
    use sha1::{Digest, Sha1};
    let (known, other) = (noise(1, 3000), noise(2, 3000));
    let id = |blob: &[u8]| Sha1::digest([format!("blob {}\0", blob.len()).as_bytes(), blob].concat()).to_vec();
    let with = |ids: &[Vec<u8>]| {
        let tree: Vec<u8> = ids.iter().flat_map(|id| [b"100644 name\0", &id[..]].concat()).collect();
        let mut body = pack(&[&known, &other]);
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&tree, 6);
        let size = u8::try_from(tree.len()).unwrap();
        let head = [0x80 | 2 << 4 | size & 15, size >> 4];
        let end = body.len() - 20;
        body.splice(end..end, [&head[..], &packed].concat());
        left(&body, &[&known]).unwrap()
    };
    let pieces = with(&[id(&known), id(&other)]);
    assert!(!holds(&pieces, &id(&known)) && !holds(&pieces, &id(&other)) && holds(&pieces, b"100644 name"));
    assert!(holds(&pieces, &other) && !holds(&pieces, &known));
    let pieces = with(&[id(&known), noise(9, 20)]);
    assert!(holds(&pieces, &id(&known)) && holds(&pieces, &noise(9, 20)));
}

/// Something more, something less, another way to write it: then it is another thing.
#[test]
fn what_is_nearly_known_is_not_known() {
    let known = noise(1, 3000);
    let more = [&known[..], b"x"].concat();
    for other in [&more[..], &known[..2999], &known[1..]] {
        for body in [other.to_vec(), gzip(other), multipart(&[other]), json(&[other]), pack(&[other])] {
            assert_eq!(left(&body, &[&known]), None);
        }
    }
    let file = &known[..2999];
    let digits = STANDARD.encode(file);
    let told = |text: &str| left(format!("{{\"content\":\"{text}\"}}").as_bytes(), &[file]).is_some();
    // Programs leave padding out; bits that nobody reads, spaces and letters of another alphabet are nobody's.
    assert!(told(&digits) && told(digits.trim_end_matches('=')));
    let odd = digits.strip_suffix("=").unwrap();
    let last = odd.chars().next_back().unwrap();
    let bits = format!("{}{}=", &odd[..odd.len() - 1], char::from_u32(u32::from(last) + 1).unwrap());
    for odd in [format!("{digits}="), format!("{digits} "), format!("\\n{digits}"), bits] {
        assert!(!told(&odd), "{}", &odd[odd.len() - 8..]);
    }
    // A field of the head in which anything may stand.
    let mut extra = b"\x1f\x8b\x08\x04\0\0\0\0\0\x03\x04\0abcd".to_vec();
    extra.extend_from_slice(&deflated(&known));
    assert_eq!(left(&extra, &[&known]), None);
    // What is short is never opaque by itself.
    assert_eq!(left(&known[..256], &[&known[..256]]), None);
}

#[test]
fn bombs_and_many_marks_come_to_an_end() {
    let zeros = vec![0; ROOM + 1];
    assert_eq!(left(&gzip(&zeros), &[&zeros]), None);
    let marks = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xed\xfd".repeat(200_000);
    assert_eq!(left(&marks, &[&zeros]), None);
    let deep = (0..40).fold(noise(3, 600), |inner, _| gzip(&inner));
    let mut asked = 0;
    assert_eq!(
        without(&deep, &mut |_| {
            asked += 1;
            false
        }),
        None
    );
    assert!(asked < 10, "{asked}");
    let many = json(&vec![&zeros[..600]; 6000]);
    let mut asked = 0;
    assert_eq!(
        without(&many, &mut |_| {
            asked += 1;
            false
        }),
        None
    );
    assert_eq!(asked, super::PARTS);
}

/// Whatever is said and whatever is known, it comes to an end, and more is never left than there was.
#[test]
fn any_bytes_and_any_knowledge_come_to_an_end() {
    let mut state = 11;
    let mut next = move |most: usize| {
        state = noise(state, 8).iter().fold(state, |sum, byte| sum.rotate_left(7) ^ u64::from(*byte));
        usize::try_from(state % most as u64).unwrap()
    };
    let (one, two) = (noise(1, 400), b"a line of text\n".repeat(40));
    let files: [&[u8]; 2] = [&one, &two];
    let inner = [
        multipart(&files),
        json(&files),
        pack(&files),
        zip(&[("a", &one, true), ("b", &two, false)]),
        tar(&[("a", &one)]),
    ];
    let bodies: Vec<Vec<u8>> = inner
        .iter()
        .flat_map(|inner| [inner.clone(), gzip(inner), json(&[inner]), multipart(&[inner, &one]), pack(&[inner, &two])])
        .collect();
    for _ in 0..3000 {
        let mut body = bodies[next(bodies.len())].clone();
        for _ in 0..next(4) {
            let (at, other) = (next(body.len()), &bodies[next(bodies.len())]);
            let (from, length) = (next(other.len()), next(200));
            let piece = &other[from..other.len().min(from + length)];
            let end = body.len().min(at + next(200));
            body.splice(at..end, piece.iter().copied());
        }
        let chance = 1 + next(4);
        let mut made = body.len();
        let pieces = without(&body, &mut |part| {
            made += part.len();
            usize::from(part[part.len() / 2]) % chance == 0
        });
        let left: usize = pieces.iter().flatten().map(Vec::len).sum();
        assert!(left <= 2 * made, "{left} of {made}");
    }
}

/// A file that a pack says as a delta to another one in it: a piece of that, and what is new.
#[test]
fn a_delta_is_the_file_that_it_makes() {
    let (base, new, other) = (noise(1, 2000), noise(2, 700), noise(3, 700));
    let made = |new: &[u8]| [&base[100..1100], new].concat();
    let delta = |new: &[u8]| {
        let mut delta = vec![0xd0, 0x0f, 0xa4, 0x0d, 0x80 | 1 | 1 << 4 | 1 << 5, 100, 0xe8, 0x03];
        for piece in new.chunks(127) {
            delta.push(u8::try_from(piece.len()).unwrap());
            delta.extend_from_slice(piece);
        }
        delta
    };
    let packed = |new: &[u8]| {
        let mut all = pack(&[&base]);
        all.truncate(all.len() - 20);
        let begin = memchr::memmem::find(&all, b"PACK").unwrap() + 12;
        let (delta, before) = (delta(new), all.len() - begin);
        all.extend([0x80 | 6 << 4 | u8::try_from(delta.len() & 15).unwrap(), u8::try_from(delta.len() >> 4).unwrap()]);
        all.extend([0x80 | u8::try_from((before >> 7) - 1).unwrap(), u8::try_from(before & 0x7f).unwrap()]);
        all.extend_from_slice(&miniz_oxide::deflate::compress_to_vec_zlib(&delta, 6));
        all.extend_from_slice(&[7; 20]);
        all
    };
    let pieces = left(&packed(&new), &[&base, &made(&new)]).expect("both are known");
    assert!(!holds(&pieces, &new[..100]) && !holds(&pieces, &base[..100]));
    // What it adds is another's.
    let pieces = left(&packed(&other), &[&base, &made(&new)]).expect("one is known");
    assert!(holds(&pieces, &other[..100]) && !holds(&pieces, &base[..100]));
}
