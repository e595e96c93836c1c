//! Reads records.

/// Adds up the bytes of a record that begins with "R".
pub fn sum(data: &[u8]) -> Option<u64> {
    let (first, rest) = data.split_first()?;
    if *first != b'R' {
        return None;
    }
    let mut sum = 0;
    for (i, b) in rest.iter().enumerate() {
        if *b > b'm' {
            sum += 2;
        } else if *b > b'a' {
            sum += 1;
        }
        if i == 2 && *b == b'x' {
            sum *= 2;
        }
    }
    Some(sum)
}

/// Reads the name in a record that begins with "BUG".
pub fn name(data: &[u8]) -> Option<u8> {
    if data.len() < 10 || data[0] != b'B' {
        return None;
    }
    if data[1] != b'U' {
        return None;
    }
    if data[2] != b'G' {
        return None;
    }
    Some(last_of_four(&data[3..]))
}

// The planted bug: there may be more than four.
#[inline(never)]
fn last_of_four(name: &[u8]) -> u8 {
    let mut four = [0; 4];
    for (i, b) in name.iter().enumerate() {
        four[i] = *b;
    }
    four[3]
}
