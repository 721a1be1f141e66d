//! Parts of a fleet for several machines: whole queues, dealt so that no machine has much more than another.

use super::targets::{Fleet, Queue};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The most parts. GitHub runs at most 256 jobs of a matrix, and no other engine needs more.
const MOST: usize = 10_000;

/// One of so many parts, counted from 0: `0/3`, `1/3`, `2/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write it as I/N, counted from 0, such as 0/8 for the first of eight shards";
        let (index, count) = text.split_once('/').ok_or(form)?;
        // `+1` is a number to Rust.
        let number = |it: &str| {
            it.parse::<usize>().ok().filter(|_| it.bytes().all(|it| it.is_ascii_digit()))
        };
        let (Some(index), Some(count)) = (number(index), number(count)) else {
            return Err(form.to_owned());
        };
        if count == 0 || count > MOST {
            return Err(format!("there are 1 to {MOST} shards"));
        }
        if index >= count {
            return Err(format!("the last of {count} shards is {}/{count}", count - 1));
        }
        Ok(Self { index, count })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Which queue belongs to which shard, and how many targets each shard has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealt {
    /// The shard of each queue.
    pub shards: BTreeMap<Queue, usize>,
    /// The targets of each shard.
    pub sizes: Vec<usize>,
}

impl Fleet {
    /// Deals the queues to so many shards: the largest first, each to the shard that has fewest targets so far, the first
    /// one of equals. It depends on nothing but the targets, so that each machine finds its own part by itself.
    pub fn dealt(&self, count: usize) -> Dealt {
        let mut queues: Vec<(&Queue, usize)> =
            self.queues().into_iter().map(|(queue, targets)| (queue, targets.len())).collect();
        // Sorted by name before, and this keeps the order of equals.
        queues.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let mut dealt = Dealt { shards: BTreeMap::new(), sizes: vec![0; count.max(1)] };
        for (queue, size) in queues {
            let least = dealt.sizes.iter().enumerate().min_by_key(|(_, size)| **size);
            let least = least.map_or(0, |(index, _)| index);
            dealt.sizes[least] += size;
            dealt.shards.insert(queue.clone(), least);
        }
        dealt
    }

    /// One part of the fleet. What could not be read has no queue, and is told of by the first shard.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        let dealt = self.dealt(shard.count);
        self.targets.retain(|it| dealt.shards[&it.queue] == shard.index);
        if shard.index != 0 {
            self.unread.clear();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::targets::tests::entry;
    use super::super::targets::{Entry, Fleet};
    use super::*;
    use proptest::prelude::*;

    fn fleet(sizes: &[usize]) -> Fleet {
        let of_queue = |(queue, size): (usize, &usize)| -> Vec<Entry> {
            (0..*size).map(|it| entry(&format!("q{queue}-{it}"), queue as u64, 1)).collect()
        };
        let targets = sizes.iter().enumerate().flat_map(of_queue).collect();
        Fleet::new(targets, Vec::new())
    }

    #[test]
    fn a_shard_is_one_of_so_many_counted_from_0() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
        assert_eq!(Shard { index: 2, count: 3 }.to_string(), "2/3");
        for bad in ["", "3/3", "0/0", "1", "-1/3", "+1/3", "1/+3", "1/3/5", " 1/3", "0/99999"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_largest_queues_are_dealt_first() {
        let dealt = fleet(&[1, 5, 2, 3, 1]).dealt(2);
        assert_eq!(dealt.sizes, [6, 6]);
        assert_eq!(dealt.shards.values().copied().collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
        assert_eq!(fleet(&[]).dealt(3).sizes, [0, 0, 0]);
        assert_eq!(fleet(&[4]).dealt(3).sizes, [4, 0, 0]);
    }

    #[test]
    fn a_thousand_targets_are_dealt_evenly_to_eight_shards() {
        // Accounts of a company: a few large ones and many small ones.
        let sizes: Vec<usize> = (0..).map(|it| 1 + 40 / (it + 1)).take(400).collect();
        let mut sizes: Vec<usize> = sizes;
        while sizes.iter().sum::<usize>() > 1_000 {
            sizes.pop();
        }
        let rest = 1_000 - sizes.iter().sum::<usize>();
        sizes.extend(std::iter::repeat_n(1, rest));
        let dealt = fleet(&sizes).dealt(8);
        assert_eq!(dealt.sizes.iter().sum::<usize>(), 1_000);
        let most = *dealt.sizes.iter().max().expect("eight shards");
        assert!(most <= 1_000 / 8 * 11 / 10, "{:?}", dealt.sizes);
    }

    proptest! {
        #[test]
        fn the_shards_are_the_whole_fleet_and_as_even_as_their_largest_queue_allows(
            sizes in proptest::collection::vec(1_usize..30, 0..60), count in 1_usize..12,
        ) {
            let fleet = fleet(&sizes);
            let dealt = fleet.dealt(count);
            let parts: Vec<Fleet> =
                (0..count).map(|index| fleet.clone().shard(Shard { index, count })).collect();
            let mut names: Vec<String> =
                parts.iter().flat_map(|it| &it.targets).map(|it| it.name.clone()).collect();
            names.sort();
            let mut all: Vec<String> = fleet.targets.iter().map(|it| it.name.clone()).collect();
            all.sort();
            prop_assert_eq!(names, all);
            for (part, size) in parts.iter().zip(&dealt.sizes) {
                prop_assert_eq!(part.targets.len(), *size);
            }
            // Of two shards, the fuller one got its last queue when it had no more than the other has now.
            let largest = sizes.iter().max().copied().unwrap_or(0);
            let most = dealt.sizes.iter().max().copied().unwrap_or(0);
            let least = dealt.sizes.iter().min().copied().unwrap_or(0);
            prop_assert!(most - least <= largest);
        }

        #[test]
        fn small_queues_make_shards_of_which_none_is_ten_percent_above_the_mean(
            extra in proptest::collection::vec(1_usize..8, 150..250),
        ) {
            let dealt = fleet(&extra).dealt(8);
            let most = *dealt.sizes.iter().max().expect("eight shards");
            let total: usize = extra.iter().sum();
            prop_assert!(most * 8 * 10 <= total * 11, "{:?}", dealt.sizes);
        }
    }
}
