// Dice that Python has too, bit for bit, each held to its twin by tests/widgets/test_dice_parity.py.

// A bijection of the 32-bit integers that leaves no trace of their order (Wellons' lowbias32).
export function scramble(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

// The number in [0, 1) with that index, of the dice of a scrambled seed.
export const toss = (scrambled, index) => scramble((scrambled + Math.imul(index + 1, 0x9e3779b9)) | 0) / 2 ** 32;
export const uniform = (seed, index) => toss(scramble(seed), index);

// Pairs of independent standard normal numbers (Box and Muller), as two arrays.
export function normals(seed, count) {
  const [one, other] = [new Array(count), new Array(count)];
  for (let i = 0; i < count; i++) {
    const radius = Math.sqrt(-2 * Math.log1p(-uniform(seed, 2 * i)));
    const angle = 2 * Math.PI * uniform(seed, 2 * i + 1);
    one[i] = radius * Math.cos(angle);
    other[i] = radius * Math.sin(angle);
  }
  return [one, other];
}

// A function from a seed to its `count` pairs, which are drawn anew only for another seed.
export function makeNormals(count) {
  let known, drawn;
  return (seed) => {
    if (known !== seed) drawn = normals(seed, count);
    known = seed;
    return drawn;
  };
}
