//! Who holds which ports of a host.

use rustc_hash::FxHashMap;

use crate::addresses::{AddressId, Name};
use crate::names::Hold;
use crate::socket::Family;

/// Ports of one page, which are next to each other in memory: clients take ports in their order.
const PAGE: u16 = 64;

/// The ports of both families. Pages that were never used take no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    pages: FxHashMap<u16, Box<[Port; PAGE as usize]>>,
}

/// Who holds a port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Port {
    /// Of all addresses together.
    pub(crate) all: Holders,
    apart: Apart,
}

/// Who holds it of each address.
#[derive(Clone, Debug, Default)]
enum Apart {
    #[default]
    Nobody,
    /// All are of this address, as nearly always.
    One(AddressId),
    Several(Box<FxHashMap<AddressId, Holders>>),
}

/// How many hold a name, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holders {
    pub(crate) all: u32,
    pub(crate) exclusive: u32,
    pub(crate) listening: u32,
    pub(crate) bound: u32,
}

impl Ports {
    pub(crate) fn get(&self, name: Name) -> Option<&Port> {
        let (page, place) = place(name);
        self.pages.get(&page).map(|page| &page[place])
    }

    pub(crate) fn get_mut(&mut self, name: Name) -> &mut Port {
        let (page, place) = place(name);
        let page = self.pages.entry(page).or_insert_with(|| Box::new(std::array::from_fn(|_| Port::default())));
        &mut page[place]
    }
}

/// The page of the name's port, and its place there.
fn place(name: Name) -> (u16, usize) {
    let family = match name.address.family() {
        Family::V4 => 0,
        Family::V6 => u16::MAX / PAGE + 1,
    };
    (family + name.port / PAGE, usize::from(name.port % PAGE))
}

impl Port {
    pub(crate) fn of_address(&self, address: AddressId) -> Holders {
        match &self.apart {
            Apart::One(own) if *own == address => self.all,
            Apart::Nobody | Apart::One(_) => Holders::default(),
            Apart::Several(each) => each.get(&address).copied().unwrap_or_default(),
        }
    }

    pub(crate) fn change(&mut self, address: AddressId, hold: Hold, change: impl Fn(u32) -> u32) {
        match &mut self.apart {
            Apart::Several(each) => each.entry(address).or_default().change(hold, &change),
            Apart::One(own) if *own == address => {}
            Apart::One(own) => {
                let mut each: FxHashMap<_, _> = [(*own, self.all)].into_iter().collect();
                each.entry(address).or_default().change(hold, &change);
                self.apart = Apart::Several(Box::new(each));
            }
            Apart::Nobody => self.apart = Apart::One(address),
        }
        self.all.change(hold, change);
        if self.all.all == 0 {
            self.apart = Apart::Nobody;
        }
    }
}

impl Holders {
    pub(crate) fn change(&mut self, hold: Hold, change: impl Fn(u32) -> u32) {
        self.all = change(self.all);
        for (count, counts) in
            [(&mut self.exclusive, hold.exclusive), (&mut self.listening, hold.listening), (&mut self.bound, hold.bound)]
        {
            if counts {
                *count = change(*count);
            }
        }
    }
}
