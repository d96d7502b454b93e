// Reads a WAV file of 32-bit floats as this server writes it.

// { rate, channels, samples } with the mean of the channels. Throws for anything else.
export function readWav(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 44 || view.getUint32(0) !== 0x52494646 || view.getUint16(20, true) !== 3) {
    throw new Error("this is no WAV file of floats");
  }
  const channels = view.getUint16(22, true), rate = view.getUint32(24, true);
  const values = new Float32Array(buffer.slice(44, 44 + (view.getUint32(40, true) & ~3)));
  if (channels === 1) return { rate, channels, samples: values };
  const samples = new Float32Array(Math.floor(values.length / channels));
  for (let i = 0; i < samples.length; i++) {
    for (let channel = 0; channel < channels; channel++) samples[i] += values[i * channels + channel] / channels;
  }
  return { rate, channels, samples };
}
