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

/// `487 kB`
pub fn bytes(n: u64) -> String {
    match n < 1000 {
        true => format!("{n} B"),
        false => format!("{}B", short(n)),
    }
}
