// Magnitudes of a real signal in time and frequency: a radix-2 FFT of our own over Hann windows.

// In place; `re` and `im` have the same length, a power of two.
export function fft(re, im) {
  const n = re.length;
  const { cosines, sines } = tableOf(n);
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const c = cosines[k * (n / size)], s = -sines[k * (n / size)];
      for (let i = k; i < n; i += size) {
        const j = i + half;
        const tr = re[j] * c - im[j] * s, ti = re[j] * s + im[j] * c;
        re[j] = re[i] - tr; im[j] = im[i] - ti;
        re[i] += tr; im[i] += ti;
      }
    }
  }
}

const tables = new Map();

// Of half a turn in steps of a whole turn divided by `n`, and the Hann window of that length.
function tableOf(n) {
  if (!tables.has(n)) {
    const turns = Float64Array.from({ length: n }, (_, i) => (2 * Math.PI * i) / n);
    tables.set(n, {
      cosines: turns.subarray(0, n / 2).map(Math.cos), sines: turns.subarray(0, n / 2).map(Math.sin),
      window: turns.map((angle) => 0.5 - 0.5 * Math.cos(angle)),
    });
  }
  return tables.get(n);
}

// { columns, bins, decibels } with decibels[column * bins + bin], bin 0 at 0 Hz, the last one just below half the rate.
export function spectrum(samples, maxColumns = 160) {
  const size = windowSize(samples.length);
  const bins = size / 2;
  const { window } = tableOf(size);
  const hop = Math.max(1, Math.floor((samples.length - size) / (maxColumns - 1)) || 1);
  const columns = Math.max(1, Math.min(maxColumns, Math.floor((samples.length - size) / hop) + 1));
  const decibels = new Float32Array(columns * bins);
  const re = new Float32Array(size), im = new Float32Array(size);
  for (let column = 0; column < columns; column++) {
    for (let i = 0; i < size; i++) {
      re[i] = (samples[column * hop + i] ?? 0) * window[i];
    }
    im.fill(0);
    fft(re, im);
    for (let bin = 0; bin < bins; bin++) {
      decibels[column * bins + bin] = 10 * Math.log10(re[bin] * re[bin] + im[bin] * im[bin] + 1e-12);
    }
  }
  return { columns, bins, decibels };
}

function windowSize(length) {
  let size = 64;
  while (size < 1024 && size * 24 < length) size *= 2;
  return size;
}
