/**
 * p2c: the less loaded of two drawn by weight. Sources: M. Mitzenmacher: The power of two choices in randomized load
 * balancing, IEEE TPDS 12(10), 2001; net/netfilter/ipvs/ip_vs_twos.c of the Linux kernel. The kernel may draw the same one
 * twice, which leaves no choice; here the two differ wherever there are two.
 */
import type { Random } from "@fairlead/types";
import { WeightedDraw } from "../mechanisms/weighted-draw.ts";
import type { Candidate, PickContext, Picker } from "../picker.ts";

/** Near the balance of wlc at the cost of two draws, and without its rush to an endpoint that just joined. */
export class PowerOfTwoPicker implements Picker {
  readonly #draw: WeightedDraw;

  constructor(options: { readonly random: Random }) {
    this.#draw = new WeightedDraw(options);
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    const first = this.#draw.draw(candidates, exclude);
    if (first === undefined) return undefined;
    const second = this.#draw.draw(candidates, exclude, first);
    if (second === undefined) return first;
    return second.active * first.weight < first.active * second.weight ? second : first;
  }
}
