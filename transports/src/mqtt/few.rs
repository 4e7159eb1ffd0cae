//! A short list that lives where it is declared until it does not fit there.
//!
//! A real device has at most one or two packets open at a time, so a session keeps its lists inside itself and an
//! idle session owns no heap. A list that grows past `N` moves to the heap and comes back when it is empty. It never
//! reorders, and it knows nothing of packets.

/// Up to `N` items in place, any number on the heap.
#[derive(Clone, Debug)]
pub(super) enum Few<T, const N: usize> {
    /// Nothing; the only form of an empty list.
    None,
    /// The first `len` of `items`, from 1 to `N`; the rest are copies that nobody sees.
    Inline { items: [T; N], len: u8 },
    /// At least one item.
    #[expect(
        clippy::box_collection,
        reason = "rare, and a thin pointer keeps every session 16 bytes smaller"
    )]
    Heap(Box<Vec<T>>),
}

impl<T: Copy, const N: usize> Few<T, N> {
    const FITS: () = assert!(N > 0 && N <= u8::MAX as usize);

    /// The items, oldest first.
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::Inline { items, len } => items.get(..usize::from(*len)).unwrap_or_default(),
            Self::Heap(items) => items,
        }
    }

    /// The items, oldest first.
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::Inline { items, len } => items.get_mut(..usize::from(*len)).unwrap_or_default(),
            Self::Heap(items) => items,
        }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Adds an item behind all others.
    pub(super) fn push(&mut self, item: T) {
        let () = Self::FITS;
        match self {
            Self::None => *self = Self::Inline { items: [item; N], len: 1 },
            Self::Inline { items, len } => match items.get_mut(usize::from(*len)) {
                Some(place) => {
                    *place = item;
                    *len += 1;
                }
                None => {
                    let mut moved = Vec::with_capacity(2 * N + 2);
                    moved.extend_from_slice(items);
                    moved.push(item);
                    *self = Self::Heap(Box::new(moved));
                }
            },
            Self::Heap(items) => items.push(item),
        }
    }

    /// Takes out the item at `place`, if there is one; those behind it move up.
    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let (_, behind) = self.as_mut_slice().split_at_mut_checked(place)?;
        let item = *behind.first()?;
        behind.rotate_left(1);
        self.truncate(self.len() - 1);
        Some(item)
    }

    /// Drops the oldest `count` items, or all of them if there are fewer.
    pub(super) fn drop_front(&mut self, count: usize) {
        let count = count.min(self.len());
        self.as_mut_slice().rotate_left(count);
        self.truncate(self.len() - count);
    }

    /// Keeps the items that `keep` says yes to, in their order.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut place = 0;
        while let Some(item) = self.as_slice().get(place) {
            if keep(item) {
                place += 1;
            } else {
                self.remove(place);
            }
        }
    }

    /// Keeps the first `kept` items; a list that becomes empty gives its heap back.
    fn truncate(&mut self, kept: usize) {
        debug_assert!(kept <= self.len());
        match self {
            _ if kept == 0 => *self = Self::None,
            Self::None => {}
            // `kept` is at most the old length, which is a `u8`.
            Self::Inline { len, .. } => *len = u8::try_from(kept).unwrap_or(*len),
            Self::Heap(items) => items.truncate(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Few;
    use proptest::prelude::*;

    #[test]
    fn is_two_words_small() {
        assert_eq!(size_of::<Few<[u16; 2], 3>>(), 16);
    }

    #[test]
    fn owns_heap_only_while_it_overflows() {
        let mut few: Few<u16, 2> = Few::None;
        few.push(1);
        few.push(2);
        assert!(matches!(few, Few::Inline { len: 2, .. }));
        few.push(3);
        assert!(matches!(few, Few::Heap(_)));
        assert_eq!(few.remove(3), None);
        for item in [1, 2, 3] {
            assert_eq!(few.remove(0), Some(item));
        }
        assert!(matches!(few, Few::None));
        assert_eq!(few.remove(0), None);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u16),
        Remove(usize),
        DropFront(usize),
        RetainOdd,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u16>().prop_map(Step::Push),
            3 => (0..6_usize).prop_map(Step::Remove),
            1 => (0..4_usize).prop_map(Step::DropFront),
            1 => Just(Step::RetainOdd),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_vec(steps in prop::collection::vec(step(), 0..60)) {
            let mut few: Few<u16, 3> = Few::None;
            let mut model = Vec::new();
            for step in steps {
                match step {
                    Step::Push(item) => {
                        few.push(item);
                        model.push(item);
                    }
                    Step::Remove(place) => {
                        let expected = (place < model.len()).then(|| model.remove(place));
                        prop_assert_eq!(few.remove(place), expected);
                    }
                    Step::DropFront(count) => {
                        few.drop_front(count);
                        model.drain(..count.min(model.len()));
                    }
                    Step::RetainOdd => {
                        few.retain(|item| item % 2 == 1);
                        model.retain(|item| item % 2 == 1);
                    }
                }
                prop_assert_eq!(few.as_slice(), &model[..]);
                prop_assert_eq!(few.as_mut_slice().len(), few.len());
            }
        }
    }
}
