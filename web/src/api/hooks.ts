import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type Answer, type AskError, ask } from './client'
import type { Field, Me } from './types'

export interface UseAskOptions {
  enabled?: boolean
  /** Show the last answer to a similar question while the next is on its way. */
  keep?: boolean
}

/** An answer that is small enough to hold. Leaving the screen, or another question, cancels the work in the server. */
export function useAsk<Item = never, End = unknown>(name: string, question: object, { enabled = true, keep = false }: UseAskOptions = {}) {
  return useQuery<Answer<Item, End>, AskError>({
    queryKey: [name, question],
    queryFn: ({ signal }) => ask<Item, End>(name, question, { signal }),
    enabled,
    placeholderData: keep ? keepPreviousData : undefined,
  })
}

export function useMe() {
  return useQuery<Me, AskError>({
    queryKey: ['me'],
    queryFn: async ({ signal }) => (await ask<never, Me>('me', {}, { signal })).end,
    staleTime: 60_000,
  })
}

export function useFields() {
  return useQuery<Field[], AskError>({
    queryKey: ['fields'],
    queryFn: async ({ signal }) => (await ask<Field, unknown>('fields', {}, { signal })).items,
    staleTime: Number.POSITIVE_INFINITY,
  })
}
