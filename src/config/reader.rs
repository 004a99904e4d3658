//! Walks a TOML document key by key, remembering where each key stands and which were asked for, so that one pass finds
//! every mistake: wrong types, wrong values, missing keys, keys nobody knows.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;

/// More mistakes than this help nobody, and a hostile file must not fill the memory.
const MAX_MISTAKES: usize = 100;

/// The document and the mistakes found in it so far.
pub(super) struct Document<'t> {
    text: &'t str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'t> Document<'t> {
    /// Parses `text`. A text that is no TOML at all gives every syntax mistake.
    pub fn parse(text: &'t str) -> Result<(Self, Spanned<DeTable<'t>>), Vec<Mistake>> {
        let document = Self { text, mistakes: RefCell::default() };
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok((document, root));
        }
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            document.add(at, String::new(), error.message().replace('\n', ", "), "");
        }
        Err(document.into_mistakes())
    }

    pub fn root<'d>(&'d self, table: &'d Spanned<DeTable<'t>>) -> Table<'d, 't> {
        Table { document: self, table: table.get_ref(), path: String::new(), span: 0..0, asked: Vec::new() }
    }

    /// The mistakes, in the order of their lines.
    pub fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|m| m.line);
        mistakes
    }

    fn add(&self, at: usize, key: String, problem: String, allowed: &str) {
        let mut mistakes = self.mistakes.borrow_mut();
        if mistakes.len() < MAX_MISTAKES {
            let line = 1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|b| **b == b'\n').count();
            mistakes.push(Mistake { line, key, problem, allowed: allowed.to_owned() });
        }
    }
}

/// A table being read. Ends with [`Table::finish`], which refuses the keys that nobody asked for.
pub(super) struct Table<'d, 't> {
    document: &'d Document<'t>,
    table: &'d DeTable<'t>,
    path: String,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'d, 't> Table<'d, 't> {
    /// The value of a key, if it is there.
    pub fn optional(&mut self, key: &'static str) -> Option<Value<'d, 't>> {
        self.asked.push(key);
        let (found, value) = self.table.get_key_value(key)?;
        let path = self.path_of(key);
        Some(Value {
            document: self.document,
            value: value.get_ref(),
            path,
            span: found.span().start..value.span().end,
        })
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str, allowed: &str) -> Option<Value<'d, 't>> {
        let value = self.optional(key);
        if value.is_none() {
            self.document.add(self.span.start, self.path_of(key), "it is missing".to_owned(), allowed);
        }
        value
    }

    /// The values of a key that may hold a list; none when it is not there.
    pub fn items(&mut self, key: &'static str, allowed: &str) -> Vec<Value<'d, 't>> {
        self.optional(key).map(|v| v.items(allowed)).unwrap_or_default()
    }

    /// The table under a key, if it is there.
    pub fn table(&mut self, key: &'static str) -> Option<Table<'d, 't>> {
        self.optional(key)?.table()
    }

    /// The keys as they stand, for tables whose keys are the user's own. Counts all as asked for.
    pub fn entries(&self) -> Vec<(String, Value<'d, 't>)> {
        let entry = |(key, value): (&'d Spanned<_>, &'d Spanned<DeValue<'t>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let (path, span) = (self.path_of(name), key.span().start..value.span().end);
            (name.to_string(), Value { document: self.document, value: value.get_ref(), path, span })
        };
        self.table.iter().map(entry).collect()
    }

    pub fn refuse(&self, problem: impl Into<String>, allowed: &str) {
        self.document.add(self.span.start, self.path.clone(), problem.into(), allowed);
    }

    /// Refuses every key that was not asked for.
    pub fn finish(self) {
        for (key, _) in self.table.iter() {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            if !self.asked.contains(&name.as_ref()) {
                let known = self.asked.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                let allowed = format!("allowed here: {known}");
                self.document.add(key.span().start, self.path_of(name), "there is no such key".to_owned(), &allowed);
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A value being read. Each reading method refuses the wrong type with what is allowed and gives `None`.
#[derive(Clone)]
pub(super) struct Value<'d, 't> {
    document: &'d Document<'t>,
    value: &'d DeValue<'t>,
    path: String,
    span: Range<usize>,
}

impl<'d, 't> Value<'d, 't> {
    pub fn refuse(&self, problem: impl Into<String>, allowed: &str) {
        self.document.add(self.span.start, self.path.clone(), problem.into(), allowed);
    }

    pub fn text(&self, allowed: &str) -> Option<&'d str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type("a text in quotes", allowed),
        }
    }

    /// A text that `parse` takes; its error is the problem.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.text(allowed)?).map_err(|e| self.refuse(e.to_string(), allowed)).ok()
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false", "true or false, without quotes, is allowed"),
        }
    }

    pub fn whole(&self, range: RangeInclusive<u32>, unit: &str) -> Option<u32> {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let allowed = format!("{} to {}{unit} is allowed", range.start(), range.end());
        let DeValue::Integer(digits) = self.value else {
            return self.wrong_type("a whole number", &allowed);
        };
        let number = u32::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            self.refuse(format!("{digits} is not allowed"), &allowed);
        }
        number
    }

    /// A number with or without a point, in thousandths.
    pub fn thousandths(&self, range: RangeInclusive<u32>, unit: &str) -> Option<u32> {
        let shown = |thousandths: &u32| f64::from(*thousandths) / 1000.0;
        let allowed = format!("{} to {} {unit} is allowed", shown(range.start()), shown(range.end()));
        let (digits, number) = match self.value {
            DeValue::Integer(digits) => {
                let whole = u32::from_str_radix(digits.as_str(), digits.radix()).ok();
                (digits.to_string(), whole.map(f64::from))
            }
            DeValue::Float(digits) => (digits.to_string(), digits.as_str().parse::<f64>().ok()),
            _ => return self.wrong_type("a number", &allowed),
        };
        let number = number.map(|number| (number * 1000.0).round()).filter(|n| (0.0..=f64::from(u32::MAX)).contains(n));
        let number = number.map(|number| number as u32).filter(|number| range.contains(number));
        if number.is_none() {
            self.refuse(format!("{digits} is not allowed"), &allowed);
        }
        number
    }

    /// A whole number from `-most` to `most`.
    pub fn signed(&self, most: i32, unit: &str) -> Option<i32> {
        let allowed = format!("-{most} to {most} {unit} is allowed");
        let DeValue::Integer(digits) = self.value else {
            return self.wrong_type("a whole number", &allowed);
        };
        let number = i32::from_str_radix(digits.as_str(), digits.radix()).ok();
        let number = number.filter(|number| (-most..=most).contains(number));
        if number.is_none() {
            self.refuse(format!("{digits} is not allowed"), &allowed);
        }
        number
    }

    pub fn items(&self, allowed: &str) -> Vec<Value<'d, 't>> {
        let DeValue::Array(items) = self.value else {
            self.wrong_type::<()>("a list", allowed);
            return Vec::new();
        };
        let item = |(n, item): (usize, &'d Spanned<DeValue<'t>>)| Value {
            document: self.document,
            value: item.get_ref(),
            path: format!("{}[{n}]", self.path),
            span: item.span(),
        };
        items.iter().enumerate().map(item).collect()
    }

    pub fn table(&self) -> Option<Table<'d, 't>> {
        let DeValue::Table(table) = self.value else {
            return self.wrong_type("a table", &format!("write it as `[{}]`", self.path));
        };
        let (path, span) = (self.path.clone(), self.span.clone());
        Some(Table { document: self.document, table, path, span, asked: Vec::new() })
    }

    fn wrong_type<T>(&self, wanted: &str, allowed: &str) -> Option<T> {
        let is = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("it is {is}, and must be {wanted}"), allowed);
        None
    }
}
