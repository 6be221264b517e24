/** The step of stochastic gradient descent with momentum. */

/** The hyperparameters of one step of SGD with momentum. */
export interface MomentumStep {
  learningRate: number;
  /** μ, the share of the velocity that is kept. */
  momentum: number;
}
