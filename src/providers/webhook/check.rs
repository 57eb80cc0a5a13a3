//! What is wrong with a mapping, found when it is configured.

use minijinja::ErrorKind;

use super::map::{
    MAP_FIELDS, MAP_LABELS_MAX, RESULT, SEEN, add, environment, explain, label_field,
};
use crate::domain::spec::MapSpec;

/// Everything that is wrong with a mapping, by field (`map.title`, `map.labels.host`).
pub fn check_map(spec: &MapSpec) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for (name, source) in &spec.fields {
        let field = format!("map.{name}");
        if !MAP_FIELDS.contains(&name.as_str()) {
            let nearest = MAP_FIELDS
                .iter()
                .max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)))
                .unwrap_or(&MAP_FIELDS[0]);
            problems.push((
                field,
                format!(
                    "there is no such field, did you mean {nearest:?}? Known are {} and the table labels",
                    MAP_FIELDS.join(", ")
                ),
            ));
            continue;
        }
        problems.extend(check(source).map(|problem| (field, problem)));
    }
    if spec.labels.len() > MAP_LABELS_MAX {
        problems.push((
            "map.labels".into(),
            format!(
                "there are {} labels; at most {MAP_LABELS_MAX} can be kept",
                spec.labels.len()
            ),
        ));
    }
    for (name, source) in &spec.labels {
        let field = format!("map.{}", label_field(name));
        problems.extend(check(source).map(|problem| (field, problem)));
    }
    problems
}

/// What is wrong with one expression.
fn check(source: &str) -> Option<String> {
    let mut environment = environment();
    if let Err(problem) = add(&mut environment, RESULT, source) {
        return Some(problem);
    }
    let expression = environment.compile_expression(source).ok()?;
    let mut unknown: Vec<String> = expression
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !SEEN.contains(&name.as_str()))
        .filter(|name| !environment.globals().any(|(global, _)| global == name))
        .collect();
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Some(format!(
            "{name:?} is not known; an expression sees body, headers and query"
        ));
    }
    // Names of filters, tests and functions are looked up when they are used, so use them once.
    let nothing = minijinja::context! { body => (), headers => (), query => () };
    match expression.eval(nothing) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            ) =>
        {
            Some(explain(&error))
        }
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::map::MAP_EXPRESSION_BYTES_MAX;
    use super::*;

    pub(in super::super) fn spec(fields: &[(&str, &str)], labels: &[(&str, &str)]) -> MapSpec {
        let owned = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()))
                .collect()
        };
        MapSpec {
            fields: owned(fields),
            labels: owned(labels),
        }
    }

    #[test]
    fn a_mapping_is_checked_before_it_is_used() {
        let long = "x".repeat(MAP_EXPRESSION_BYTES_MAX + 1);
        for (fields, labels, expected) in [
            (&[("title", "body.name | upper")][..], &[][..], None),
            (
                &[("title", "body['a b'][0] if query.x else headers.y")],
                &[],
                None,
            ),
            (
                &[("title", "body.name | default('x') | trim")],
                &[("a", "body.a is defined")],
                None,
            ),
            (
                &[("titel", "body.name")],
                &[],
                Some(("map.titel", "did you mean \"title\"?")),
            ),
            (
                &[("title", "body.name |")],
                &[],
                Some(("map.title", "syntax error")),
            ),
            (&[("title", "")], &[], Some(("map.title", "syntax error"))),
            (
                &[("title", "1) %}{% set x = (2")],
                &[],
                Some(("map.title", "syntax error")),
            ),
            (
                &[("title", "{{ body.name }}")],
                &[],
                Some(("map.title", "")),
            ),
            (
                &[("title", "bod.name")],
                &[],
                Some(("map.title", "\"bod\" is not known")),
            ),
            (
                &[("title", "body.name | uper")],
                &[],
                Some(("map.title", "unknown filter")),
            ),
            (
                &[("title", "open('x')")],
                &[],
                Some(("map.title", "\"open\" is not known")),
            ),
            (
                &[("title", long.as_str())],
                &[],
                Some(("map.title", "4097 bytes long")),
            ),
            (
                &[],
                &[("host", "body.host is nice")],
                Some(("map.labels.host", "unknown test")),
            ),
        ] {
            let problems = check_map(&spec(fields, labels));
            match expected {
                None => assert_eq!(problems, [], "{fields:?}"),
                Some((field, words)) => {
                    let [(named, problem)] = problems.as_slice() else {
                        panic!("{fields:?}: {problems:?}");
                    };
                    assert_eq!(named, field);
                    assert!(problem.contains(words), "{problem}");
                }
            }
        }
    }
}
