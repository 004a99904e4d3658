//! Art: how much of it there may be, and the skins that are defined here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::names::check_id;
use super::reader::{Table, Value};
use super::tenant::Tenant;

const MEGABYTE: u64 = 1_000_000;

/// What may be uploaded for slots of art.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Art {
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Bytes of all files of a tenant.
    pub tenant_bytes: u64,
}

impl Default for Art {
    fn default() -> Self {
        Self { file_bytes: 10 * MEGABYTE, tenant_bytes: 1000 * MEGABYTE }
    }
}

/// A skin of files on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkinFiles {
    pub id: String,
    pub tenant: String,
    /// Files by the names of slots of art; relative to the working directory.
    pub art: BTreeMap<String, PathBuf>,
}

pub(super) fn read(root: &mut Table) -> Art {
    let mut art = Art::default();
    let Some(mut table) = root.table("art") else { return art };
    if let Some(megabytes) = table.optional("file_megabytes").and_then(|v| v.whole(1..=100, "megabytes")) {
        art.file_bytes = u64::from(megabytes) * MEGABYTE;
    }
    if let Some(megabytes) = table.optional("tenant_megabytes").and_then(|v| v.whole(1..=1_000_000, "megabytes")) {
        art.tenant_bytes = u64::from(megabytes) * MEGABYTE;
    }
    table.finish();
    art
}

pub(super) fn read_skins(root: &mut Table, tenants: &[Tenant]) -> Vec<SkinFiles> {
    let mut skins: Vec<SkinFiles> = Vec::new();
    for item in root.items("skins", "write each as [[skins]]") {
        let Some(skin) = read_one(&item, tenants) else { continue };
        if skins.iter().any(|known| (&known.tenant, &known.id) == (&skin.tenant, &skin.id)) {
            item.refuse(format!("its tenant has a skin {:?} already", skin.id), "each id once is allowed");
        } else {
            skins.push(skin);
        }
    }
    skins
}

fn read_one(item: &Value, tenants: &[Tenant]) -> Option<SkinFiles> {
    let mut table = item.table()?;
    let id = table
        .required("id", "a short name such as \"red\" is needed")
        .and_then(|v| v.parsed("", |text| check_id(text).map(|()| text.to_owned())));
    let known = || tenants.iter().map(|t| format!("{:?}", t.id)).collect::<Vec<_>>().join(", ");
    let tenant = table.required("tenant", "the id of a tenant is needed").and_then(|value| {
        let tenant = value.text("the id of a tenant is allowed")?;
        if tenants.iter().any(|known| known.id == tenant) {
            return Some(tenant.to_owned());
        }
        value.refuse(format!("there is no tenant {tenant:?}"), &format!("{} are allowed", known()));
        None
    });
    let wanted = "files by the names of slots of art are allowed, as in { frame = \"art/red.png\" }";
    let files = table.required("art", wanted).and_then(|value| value.table());
    let mut art = BTreeMap::new();
    for (name, value) in files.iter().flat_map(|files| files.entries()) {
        if let Some(path) = value.text(wanted) {
            art.insert(name, PathBuf::from(path));
        }
    }
    table.finish();
    Some(SkinFiles { id: id?, tenant: tenant?, art })
}
