/** The frames of the live API under the page's own names; what they hold is said in live-api.ts, which is made from the schemas. */
import type { CandleResult, ChatEvent, EngagementResult, LeaderboardEntry, LeaderboardResult, ModerationFlag } from "./live-api";

export type { Change, Frame, Health, Selector } from "./live-api";
export type Board = LeaderboardResult;
export type BoardEntry = LeaderboardEntry;
export type Engagement = EngagementResult;
export type Candle = CandleResult;
export type Flag = ModerationFlag;
export type Said = ChatEvent;
