//! Every random choice, drawn from the seed and from what it is for.
//!
//! libtorch's own generator is one for the whole process and goes on from wherever it was. Here the choices of, say, epoch 3 don't
//! depend on how the process came to epoch 3: a run that was interrupted makes the same ones.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

/// A generator for one purpose: the seed, its name and its numbers (fold, epoch, step). The lock file fixes the algorithm.
pub fn generator(seed: u64, purpose: &str, numbers: &[u64]) -> StdRng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    for number in numbers {
        hash.update(number.to_le_bytes());
    }
    StdRng::from_seed(hash.finalize().into())
}

/// 0 to `length` - 1 in random order.
pub fn permutation(length: usize, mut generator: StdRng) -> Vec<i64> {
    let mut order: Vec<i64> = (0..length as i64).collect();
    order.shuffle(&mut generator);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_purpose_gives_the_same_order_and_another_gives_another() {
        let order = |seed, purpose, numbers: &[u64]| permutation(100, generator(seed, purpose, numbers));
        let first = order(1, "order", &[2, 3]);
        assert_eq!(first, order(1, "order", &[2, 3]));
        for other in [order(2, "order", &[2, 3]), order(1, "dropout", &[2, 3]), order(1, "order", &[2, 4])] {
            assert_ne!(first, other);
        }
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
