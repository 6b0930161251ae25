//! What profiles cost a value, next to a plain sum of the same numbers; and what a judgement costs a window.
//!
//! `cargo bench -p detectors`.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, DictionaryArray, Float64Array};
use arrow::datatypes::Int32Type;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detectors::profile::{CategoricalProfile, NumericProfile};

/// Values a batch, as the decoder makes them.
const BATCH: usize = 8_192;
const BATCHES: usize = 64;

/// Normal values by Box and Muller from a linear congruential generator: the same on every machine.
fn normal_values(count: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (0..count).map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()).collect()
}

fn updates(criterion: &mut Criterion) {
    let values = normal_values(BATCH * BATCHES);
    let batches: Vec<Float64Array> = values.chunks(BATCH).map(|chunk| Float64Array::from(chunk.to_vec())).collect();
    let names: Vec<String> = values.iter().map(|value| format!("carrier-{}", (value * 4.0) as i32)).collect();
    let codes: Vec<Arc<dyn Array>> = names
        .chunks(BATCH)
        .map(|chunk| {
            Arc::new(chunk.iter().map(|name| Some(name.as_str())).collect::<DictionaryArray<Int32Type>>()) as Arc<_>
        })
        .collect();
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(values.len() as u64));
    group.bench_function("plain sum", |b| b.iter(|| black_box(&values).iter().sum::<f64>()));
    group.bench_function("numeric", |b| {
        b.iter(|| {
            let mut profile = NumericProfile::default();
            for batch in &batches {
                let updated = profile.update(black_box(batch));
                assert!(updated.is_ok());
            }
            profile
        });
    });
    group.bench_function("categorical, dictionary", |b| {
        b.iter(|| {
            let mut profile = CategoricalProfile::new();
            for batch in &codes {
                let updated = profile.update(black_box(batch.as_ref()));
                assert!(updated.is_ok());
            }
            profile
        });
    });
    group.finish();
}

fn merges(criterion: &mut Criterion) {
    let values = normal_values(2 * BATCH);
    let profile = |values: &[f64]| {
        let mut profile = NumericProfile::default();
        profile.update_values(values.iter().copied());
        profile
    };
    let (left, right) = values.split_at(BATCH);
    let (left, right) = (profile(left), profile(right));
    criterion.bench_function("merge two numeric profiles", |b| {
        b.iter_batched(|| left.clone(), |mut sum| sum.merge(black_box(&right)), BatchSize::SmallInput);
    });
    criterion.bench_function("encode a numeric profile", |b| b.iter(|| black_box(&left).to_bytes()));
}

criterion_group!(benches, updates, merges);
criterion_main!(benches);
