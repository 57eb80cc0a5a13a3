//! Where entities are, by the registries of entities, devices and areas.

use std::collections::BTreeMap;

use super::wire::{AreaEntry, DeviceEntry, EntityEntry};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    name: String,
    area: Option<String>,
}

/// What the registries say. A registry that was refused says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Device and area of each entity that has one of them.
    entities: BTreeMap<String, (Option<String>, Option<String>)>,
    devices: BTreeMap<String, Device>,
    areas: BTreeMap<String, String>,
}

/// An area by its id and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area<'a> {
    pub id: &'a str,
    pub name: &'a str,
}

impl Names {
    pub fn take_entities(&mut self, entries: Vec<EntityEntry>) {
        let placed = entries.into_iter().filter_map(|entry| {
            let is_placed = entry.device_id.is_some() || entry.area_id.is_some();
            is_placed.then_some((entry.entity_id, (entry.device_id, entry.area_id)))
        });
        self.entities = placed.collect();
    }

    pub fn take_devices(&mut self, entries: Vec<DeviceEntry>) {
        let devices = entries.into_iter().map(|entry| {
            let name = entry.name_by_user.or(entry.name).unwrap_or_default();
            let area = entry.area_id;
            (entry.id, Device { name, area })
        });
        self.devices = devices.collect();
    }

    pub fn take_areas(&mut self, entries: Vec<AreaEntry>) {
        let areas = entries.into_iter().map(|entry| (entry.area_id, entry.name));
        self.areas = areas.collect();
    }

    fn device_entry(&self, entity: &str) -> Option<&Device> {
        let (device, _) = self.entities.get(entity)?;
        self.devices.get(device.as_ref()?)
    }

    /// What the device of an entity is called.
    pub fn device(&self, entity: &str) -> Option<&str> {
        let name = self.device_entry(entity)?.name.trim();
        (!name.is_empty()).then_some(name)
    }

    /// The area of an entity: its own, or else that of its device.
    pub fn area(&self, entity: &str) -> Option<Area<'_>> {
        let (_, own) = self.entities.get(entity)?;
        let of_device = || self.device_entry(entity)?.area.as_ref();
        let id = own.as_ref().or_else(of_device)?;
        let name = self.areas.get(id).map_or("", |name| name.trim());
        Some(Area {
            id,
            name: if name.is_empty() { id } else { name },
        })
    }
}
