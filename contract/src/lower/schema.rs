//! `schema` and `segments`: the input columns.

use crate::keys::contract::COLUMN;
use crate::model::{Column, ColumnKind, Privacy, Segment};
use crate::yaml::{Entry, Errors, Fields, Node, nearest};

/// Columns of one model. Each costs a profile in every window.
pub const MAX_COLUMNS: usize = 2_000;

/// Segment columns of one model. Each value of each costs a performance profile in every window.
pub const MAX_SEGMENTS: usize = 16;

/// Bytes of a column's name.
const MAX_NAME: usize = 256;

const KINDS: [(&str, ColumnKind); 4] = [
    ("float64", ColumnKind::Float64),
    ("int64", ColumnKind::Int64),
    ("boolean", ColumnKind::Boolean),
    ("string", ColumnKind::String),
];

const PRIVACIES: [(&str, Privacy); 3] = [("keep", Privacy::Keep), ("hash", Privacy::Hash), ("drop", Privacy::Drop)];

/// The columns, in the order of the file; those with errors are left out, so that segments can be checked all the same.
pub fn schema(node: &Node, errors: &mut Errors) -> Option<Vec<Column>> {
    let mut fields = Fields::open(node, "`schema`", errors)?;
    let entries = fields.rest();
    if entries.is_empty() {
        let hint = "name what the model takes, such as `amount: { type: float64 }`";
        errors.add_with_hint(node.position, "`schema` has no columns", hint);
        return None;
    }
    if entries.len() > MAX_COLUMNS {
        errors.add(node.position, format!("more than {MAX_COLUMNS} columns"));
        return None;
    }
    // A column with an error is kept as far as it can be read: segments that name it are no further error.
    Some(entries.into_iter().map(|entry| column(entry, errors)).collect())
}

fn column(entry: &Entry, errors: &mut Errors) -> Column {
    let name = entry.name();
    let mut column = Column {
        name: name.to_owned(),
        kind: ColumnKind::String,
        range: None,
        unit: None,
        source: None,
        judge: true,
        privacy: Privacy::Keep,
    };
    if name.is_empty() || name.len() > MAX_NAME {
        errors.add(entry.key.position, format!("the name of a column has 1 to {MAX_NAME} bytes"));
    }
    if !entry.value.is_mapping() {
        let kind = entry.value.as_text().filter(|text| KINDS.iter().any(|(name, _)| name == text)).unwrap_or("float64");
        let message = format!("column `{name}` must be a mapping, not {}", entry.value.describe());
        // `name:` without a value has no place of its own.
        let position = if entry.value.as_text().is_some() { entry.value.position } else { entry.key.position };
        errors.add_with_hint(position, message, format!("write `{{ type: {kind} }}`"));
        return column;
    }
    let Some(mut fields) = Fields::of(&entry.value, &COLUMN, errors) else { return column };
    let kind = fields.required("type", errors).and_then(|node| node.choice("type", &KINDS, errors));
    let range = fields.optional("range", errors);
    let unit = fields.optional("unit", errors);
    for (key, node) in [("range", range), ("unit", unit)] {
        if let (Some(node), Some(kind)) = (node, kind.filter(|kind| !kind.is_numeric())) {
            let message = format!("`{key}` is for numbers, and `{name}` is {}", kind_name(kind));
            errors.add(node.position, message);
        }
    }
    column.kind = kind.unwrap_or(column.kind);
    column.range = range.and_then(|node| self::range(node, errors));
    column.unit = unit.and_then(|node| node.text("unit", errors));
    column.source = fields.optional("source", errors).and_then(|node| node.text("source", errors));
    column.judge = fields.optional("judge", errors).and_then(|node| node.boolean("judge", errors)).unwrap_or(true);
    let privacy = fields.optional("privacy", errors);
    column.privacy = privacy.and_then(|node| node.choice("privacy", &PRIVACIES, errors)).unwrap_or_default();
    fields.finish(errors);
    column
}

fn kind_name(kind: ColumnKind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map_or("text", |(name, _)| name)
}

fn range(node: &Node, errors: &mut Errors) -> Option<(f64, f64)> {
    let [low, high] = node.list("range", errors)? else {
        errors.add_with_hint(
            node.position,
            "`range` has two numbers",
            "write `[0, 100]`: the smallest and the largest value",
        );
        return None;
    };
    let (low, high) = (low.number("range", errors), high.number("range", errors));
    let (low, high) = (low?, high?);
    if low > high {
        let hint = format!("the smaller one comes first: `[{high}, {low}]`");
        errors.add_with_hint(node.position, format!("`range` is empty: {low} is above {high}"), hint);
        return None;
    }
    Some((low, high))
}

/// `columns`: None when the schema itself can't be read; then columns aren't looked up.
pub fn segments(node: &Node, columns: Option<&[Column]>, errors: &mut Errors) -> Option<Vec<Segment>> {
    let items = node.list("segments", errors)?;
    if items.len() > MAX_SEGMENTS {
        errors.add(node.position, format!("more than {MAX_SEGMENTS} segments"));
        return None;
    }
    let mut segments: Vec<Segment> = Vec::new();
    for item in items {
        if item.is_mapping() {
            let hint = "name a column; its values become segments";
            errors.add_with_hint(item.position, "segments by condition are not supported yet", hint);
            continue;
        }
        let Some(column) = item.text("segments", errors) else { continue };
        if segments.iter().any(|segment| segment.column == column) {
            errors.add_with_hint(item.position, format!("segment `{column}` is given twice"), "leave one out");
            continue;
        }
        if let Some(columns) = columns {
            check_segment(item, &column, columns, errors);
        }
        segments.push(Segment { column });
    }
    Some(segments)
}

fn check_segment(item: &Node, name: &str, columns: &[Column], errors: &mut Errors) {
    let Some(column) = columns.iter().find(|column| column.name == name) else {
        let hint = match nearest(name, columns.iter().map(|column| column.name.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "segments are columns of `schema`".to_owned(),
        };
        errors.add_with_hint(item.position, format!("segment `{name}` is no column of the schema"), hint);
        return;
    };
    if column.kind == ColumnKind::Float64 {
        let hint = "segments are made of the values of string, boolean and int64 columns";
        errors.add_with_hint(
            item.position,
            format!("`{name}` is float64: nearly every value would be a segment"),
            hint,
        );
    }
    if column.privacy != Privacy::Keep {
        let hint = "the values of a segment are shown; choose another column";
        errors.add_with_hint(item.position, format!("`{name}` is private, so it can't be a segment"), hint);
    }
}
