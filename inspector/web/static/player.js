// Plays a clip through Web Audio, at its own pace or slowed down, as loud as fits.
const PEAK = 0.7; // the loudest sample, so that a faint clip can be heard and a loud one does no harm
const LOWEST_HZ = 3000, HIGHEST_HZ = 192_000;
let audio = null;
let playing = null;

export function isAudible(rate) {
  return rate >= LOWEST_HZ && rate <= HIGHEST_HZ;
}

// Calls `moved` with the place in seconds while it plays, and with null at its end.
export function play({ samples, rate }, speed, moved) {
  stop();
  audio ??= new AudioContext();
  audio.resume();
  const peak = samples.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-6);
  const buffer = audio.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples.map((value) => (value * PEAK) / peak), 0);
  const source = new AudioBufferSourceNode(audio, { buffer, playbackRate: speed });
  source.connect(audio.destination);
  const started = audio.currentTime;
  const current = { source, moved };
  playing = current;
  source.onended = () => { if (playing === current) stop(); };
  const follow = () => {
    if (playing !== current) return;
    moved((audio.currentTime - started) * speed);
    requestAnimationFrame(follow);
  };
  source.start();
  follow();
}

export function stop() {
  if (playing === null) return;
  const { source, moved } = playing;
  playing = null;
  source.onended = null;
  source.stop();
  source.disconnect();
  moved(null);
}
