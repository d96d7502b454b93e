// Magnitudes of a real signal in time and frequency: a radix-2 FFT of our own over Hann windows.

// In place; `re` and `im` have the same length, a power of two.
export function fft(re, im) {
  const n = re.length;
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
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < half; k++) {
      const c = Math.cos(angle * k), s = Math.sin(angle * k);
      for (let i = k; i < n; i += size) {
        const j = i + half;
        const tr = re[j] * c - im[j] * s, ti = re[j] * s + im[j] * c;
        re[j] = re[i] - tr; im[j] = im[i] - ti;
        re[i] += tr; im[i] += ti;
      }
    }
  }
}

// { columns, bins, decibels } with decibels[column * bins + bin], bin 0 at 0 Hz, the last one just below half the rate.
export function spectrum(samples, maxColumns = 240) {
  const size = windowSize(samples.length);
  const bins = size / 2;
  const hop = Math.max(1, Math.floor((samples.length - size) / (maxColumns - 1)) || 1);
  const columns = Math.max(1, Math.min(maxColumns, Math.floor((samples.length - size) / hop) + 1));
  const decibels = new Float32Array(columns * bins);
  const re = new Float32Array(size), im = new Float32Array(size);
  for (let column = 0; column < columns; column++) {
    for (let i = 0; i < size; i++) {
      re[i] = (samples[column * hop + i] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (size - 1)));
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
  while (size < 1024 && size * 12 < length) size *= 2;
  return size;
}
