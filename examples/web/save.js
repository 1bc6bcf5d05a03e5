// Files for the reader.

export function save(name, type, data) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Weights as a .safetensors file: the length of the header (u64), the header (JSON), the numbers (f32), all little-endian.
 * `weights`: name -> Float32Array; `shapes`: name -> its dimensions, else one flat dimension.
 */
export function safetensors(weights, shapes = {}) {
  const header = {};
  let end = 0;
  for (const [name, values] of Object.entries(weights)) {
    header[name] = { dtype: 'F32', shape: shapes[name] ?? [values.length], data_offsets: [end, (end += values.byteLength)] };
  }
  const text = JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8)); // the numbers stay aligned
  const file = new Uint8Array(8 + head.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  for (const [name, values] of Object.entries(weights)) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 8 + head.length + header[name].data_offsets[0]);
  }
  return file;
}
