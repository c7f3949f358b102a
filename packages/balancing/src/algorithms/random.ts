/**
 * random: by chance in proportion to weight. IPVS has no such scheduler; kube-proxy's nftables mode chooses by chance,
 * without weights (`numgen random`).
 */
import type { Random } from "@fairlead/types";
import { WeightedDraw } from "../mechanisms/weighted-draw.ts";
import type { Candidate, PickContext, Picker } from "../picker.ts";

/** Keeps no state between picks but the table of the list. */
export class RandomPicker implements Picker {
  readonly #draw: WeightedDraw;

  constructor(options: { readonly random: Random }) {
    this.#draw = new WeightedDraw(options);
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    return this.#draw.draw(candidates, exclude);
  }
}
