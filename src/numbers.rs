//! Numbers as people read them.

/// `121,930`
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 epoch`, `3 epochs`
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// `4.86 M`: three digits and a prefix of a thousand's power.
pub fn short(n: u64) -> String {
    let units = ["", " k", " M", " G", " T", " P"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match (unit, value) {
        (0, _) => n.to_string(),
        (_, v) if v >= 100.0 => format!("{v:.0}{}", units[unit]),
        (_, v) if v >= 10.0 => format!("{v:.1}{}", units[unit]),
        (_, v) => format!("{v:.2}{}", units[unit]),
    }
}

/// `98.72 %`
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// `3.2 s`, `2:07 min`, `1:02 h`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole % 3600 / 60),
    }
}

/// `487 kB`
pub fn bytes(n: u64) -> String {
    match n < 1000 {
        true => format!("{n} B"),
        false => format!("{}B", short(n)),
    }
}

/// A number of half precision (IEEE 754).
pub fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_the_unit_that_fits() {
        let cases = [(3.21, "3.2 s"), (59.4, "59.4 s"), (127.0, "2:07 min"), (3720.0, "1:02 h")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
