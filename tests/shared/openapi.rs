//! Judges requests and answers by an API description, where it lies beside the project.
//!
//! It knows as much of JSON Schema as the descriptions use: types, formats of ids and moments, words of
//! a list, bounds of numbers, members with those that are required, `$ref`, `allOf` and `nullable`.
//! A member of a request that the description does not have is wrong.

use serde_json::Value;

/// A description, read.
pub struct Description(Value);

/// Whether members that are not described are wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    Members,
    No,
}

impl Description {
    /// The description of this name; `None`, with a word about it, where there is none.
    pub fn beside(name: &str) -> Option<Description> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared/specs")
            .join(name);
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("{name} does not lie beside the project, so nothing is judged by it");
            return None;
        };
        Some(Description(serde_json::from_str(&text).expect("JSON")))
    }

    /// Judges a request: its path is below the description's server, with its query behind it.
    pub fn judge_request(&self, method: &str, path: &str, body: &[u8]) -> Result<(), String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let operation = self.operation(method, path)?;
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&Value> = parameters.filter(|it| it["in"] == "query").collect();
        let mut given = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = parameters.iter().find(|it| it["name"] == name);
            let known = known.ok_or_else(|| format!("query {name} is not described"))?;
            self.judge_text(&known["schema"], value)
                .map_err(|why| format!("query {name} {why}"))?;
            given.push(name);
        }
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap_or("");
            if parameter["required"] == true && !given.contains(&name) {
                return Err(format!("query {name} is missing"));
            }
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        match (schema.is_null(), body.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err("it takes no body".into()),
            (false, true) => Err("the body is missing".into()),
            (false, false) => {
                let body: Value = serde_json::from_slice(body).map_err(|why| why.to_string())?;
                self.judge(schema, &body, Strict::Members, "body")
            }
        }
    }

    /// Judges an answer that a test's server gives: what it leaves out the real one would not.
    pub fn judge_answer(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Result<(), String> {
        let path = path.split('?').next().unwrap_or(path);
        let operation = self.operation(method, path)?;
        let answer = &operation["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Err(format!("status {status} is not described"));
        }
        self.judge(schema, body, Strict::No, "answer")
    }

    fn operation(&self, method: &str, path: &str) -> Result<&Value, String> {
        let paths = self.0["paths"].as_object().expect("paths");
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == segments.len()
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        // A path that is written out goes before one with places to fill.
        let found = paths
            .iter()
            .filter(|(template, _)| fits(template))
            .min_by_key(|(template, _)| template.matches('{').count())
            .ok_or_else(|| format!("{path} is not described"))?;
        let operation = &found.1[method.to_ascii_lowercase()];
        if operation.is_null() {
            return Err(format!("{method} {path} is not described"));
        }
        for (part, segment) in found.0.split('/').zip(&segments) {
            let name = part.trim_matches(['{', '}']);
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            let known = parameters.find(|it| it["in"] == "path" && it["name"] == name);
            if part.starts_with('{')
                && let Some(known) = known
            {
                self.judge_text(&known["schema"], segment)
                    .map_err(|why| format!("{name} {why}"))?;
            }
        }
        Ok(operation)
    }

    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                let found = self.0.pointer(pointer);
                self.resolved(found.expect("a schema that is there"))
            }
            None => schema,
        }
    }

    /// A value of a path or a query, which is text whatever its type.
    fn judge_text(&self, schema: &Value, text: &str) -> Result<(), String> {
        let schema = self.resolved(schema);
        let value = match schema["type"].as_str() {
            Some("string") => Value::String(text.to_owned()),
            _other => serde_json::from_str(text).map_err(|_| format!("is {text}"))?,
        };
        self.judge(schema, &value, Strict::Members, "")
    }

    fn judge(&self, schema: &Value, value: &Value, strict: Strict, at: &str) -> Result<(), String> {
        let nullable = schema["nullable"] == true;
        let schema = self.resolved(schema);
        if value.is_null() && (nullable || schema["nullable"] == true) {
            return Ok(());
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.judge(part, value, Strict::No, at)?;
        }
        let wrong = |what: &str| Err(format!("{at} {what}: {value}"));
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return wrong("is none of the words");
        }
        match schema["type"].as_str() {
            Some("string") => {
                let Some(text) = value.as_str() else {
                    return wrong("is no text");
                };
                let fits = match schema["format"].as_str() {
                    Some("uuid") => is_uuid(text),
                    Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
                    Some(_) | None => true,
                };
                if !fits {
                    return wrong("is not of its format");
                }
            }
            Some("boolean") if !value.is_boolean() => return wrong("is neither true nor false"),
            Some("integer" | "number") => {
                let Some(number) = value.as_f64() else {
                    return wrong("is no number");
                };
                let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
                let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
                if !(least..=most).contains(&number)
                    || schema["type"] == "integer" && number.fract() != 0.0
                {
                    return wrong("is out of bounds");
                }
            }
            Some("array") => {
                let Some(list) = value.as_array() else {
                    return wrong("is no list");
                };
                if (list.len() as u64) < schema["minItems"].as_u64().unwrap_or(0) {
                    return wrong("has too few entries");
                }
                for (nth, entry) in list.iter().enumerate() {
                    self.judge(&schema["items"], entry, strict, &format!("{at}[{nth}]"))?;
                }
            }
            Some("object") => self.judge_members(schema, value, strict, at)?,
            Some(_) | None => {}
        }
        Ok(())
    }

    fn judge_members(
        &self,
        schema: &Value,
        value: &Value,
        strict: Strict,
        at: &str,
    ) -> Result<(), String> {
        let members = value.as_object().ok_or(format!("{at} is no object"))?;
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap_or("");
            if !members.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, member) in members {
            let known = &schema["properties"][name];
            match (known.is_null(), strict) {
                (true, Strict::Members) => return Err(format!("{at}.{name} is not described")),
                (true, Strict::No) => {}
                (false, _) => self.judge(known, member, strict, &format!("{at}.{name}"))?,
            }
        }
        Ok(())
    }
}

/// Of version 4, as the descriptions want them.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        && groups[2].starts_with('4')
        && groups[3].starts_with(['8', '9', 'a', 'b', 'A', 'B'])
}
