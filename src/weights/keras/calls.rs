//! Parts of a description in JSON that say what layers are called with → the calls that they name, as every version of Keras writes them.

use serde_json::Value;

/// Names of layers and their calls at an end of a graph: `["a", 0, 0]`, or a list of such.
pub fn ends(value: Option<&Value>) -> Vec<(String, u64)> {
    let one = |value: &Value| -> Option<(String, u64)> {
        let list = value.as_array()?;
        Some((list.first()?.as_str()?.to_owned(), list.get(1).and_then(Value::as_u64).unwrap_or(0)))
    };
    match value {
        Some(value) if one(value).is_some() => one(value).into_iter().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
        Some(Value::Object(map)) => map.values().filter_map(one).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Vec::new(),
    }
}

/// What a call of a layer names.
pub enum Reference {
    Value(String, u64),
    Number(f64),
}

/// The values that a call takes. Keras 3 has `{"args": …, "kwargs": …}` with `__keras_tensor__` inside, older ones lists of
/// `["a", 0, 0, {…}]`.
pub fn references(node: &Value) -> Result<Vec<Reference>, String> {
    let mut found = Vec::new();
    match node {
        Value::Object(map) => {
            let mut open: Vec<&Value> = map.get("args").into_iter().collect();
            while let Some(value) = open.pop() {
                match value {
                    Value::Array(list) => open.extend(list.iter().rev()),
                    Value::Object(map) => found.push(tensor(map)?),
                    Value::Number(number) => {
                        found.push(Reference::Number(number.as_f64().unwrap_or(f64::NAN)))
                    }
                    Value::Null => {}
                    Value::Bool(_) | Value::String(_) => {
                        return Err("with something that is not a value".to_owned());
                    }
                }
            }
            let given = map.get("kwargs").and_then(Value::as_object);
            let odd = given.into_iter().flatten().find(|(_, value)| value.is_object() || value.is_array());
            if let Some((name, _)) = odd {
                return Err(format!("with a value for `{}`", name.chars().take(60).collect::<String>()));
            }
        }
        Value::Array(list) => {
            // One call of one value may lie bare.
            let one = list.first().is_some_and(Value::is_string);
            let calls = if one { std::slice::from_ref(node) } else { list.as_slice() };
            for call in calls {
                let parts = call.as_array().map_or([].as_slice(), Vec::as_slice);
                let [Value::String(name), Value::Number(n), ..] = parts else {
                    return Err("in a way that is not known".to_owned());
                };
                let says = parts.get(3).and_then(Value::as_object);
                let odd = says.into_iter().flatten().find(|(_, value)| value.is_array() || value.is_number());
                if let Some((name, _)) = odd {
                    return Err(format!("with a value for `{}`", name.chars().take(60).collect::<String>()));
                }
                found.push(Reference::Value(name.clone(), n.as_u64().unwrap_or(0)));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err("in a way that is not known".to_owned());
        }
    }
    match found.is_empty() {
        true => Err("with nothing".to_owned()),
        false => Ok(found),
    }
}

fn tensor(map: &serde_json::Map<String, Value>) -> Result<Reference, String> {
    let history = map.get("config").and_then(|config| config.get("keras_history")).and_then(Value::as_array);
    match history.map(Vec::as_slice) {
        Some([Value::String(name), Value::Number(n), Value::Number(_)]) => {
            Ok(Reference::Value(name.clone(), n.as_u64().unwrap_or(0)))
        }
        _ => Err("with something that is not a value".to_owned()),
    }
}
