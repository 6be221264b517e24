export interface Batch {
  images: Float32Array;
  labels: Int32Array;
  sampleIds: Uint32Array;
  samples: number;
  height: number;
  width: number;
  channels: number;
}
