// What Slack takes, by the types that Slack publishes. tests/it/living.rs holds what we send against it.
import type { KnownBlock, ModalView } from "@slack/types";

export interface Message {
  text: string;
  blocks: KnownBlock[];
}

export type Modal = ModalView;
