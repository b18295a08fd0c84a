import type { LedgerState } from '../api/types.gen'

const real = (t: string | undefined) => (t && !t.startsWith('0001-') ? Date.parse(t) : undefined)

export type Tone = 'ok' | 'warn' | 'bad'

export interface Judged {
  tone: Tone
  /** In a few words: what is most to be known. */
  words: string
}

/** silent is after how many seconds without an event a cluster is said to be quiet. */
export const silent = 15 * 60

/** What a cluster's record is worth, the worst first. */
export function judge(state: LedgerState, now: number): Judged {
  const { proof } = state
  if (proof.verdict && proof.verdict !== 'ok') return { tone: 'bad', words: 'The record does not hold' }
  const arrival = real(state.lastArrival)
  if (arrival !== undefined && now - arrival > silent * 1000) return { tone: 'warn', words: 'No event arrives' }
  // What came within the last seconds is signed within the next.
  if (!proof.signed && state.events && arrival !== undefined && now - arrival > 10_000) return { tone: 'warn', words: 'Not all is signed' }
  return { tone: 'ok', words: proof.verified && real(proof.verified) ? 'Signed and verified' : 'Signed' }
}

export const moment = real
