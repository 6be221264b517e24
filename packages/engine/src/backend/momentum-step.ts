/** The type of an SGD step with momentum. */

/** The hyperparameters of one step of SGD with momentum. */
export interface MomentumStep {
  learningRate: number;
  /** μ, the factor of the velocity. */
  momentum: number;
}
