import './nonce'
import './mantine'
import './theme.css'
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { AskError } from './api/client'
import { nonce } from './nonce'
import { Shell } from './shell/Shell'
import { resolver, theme } from './theme'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // The server may be on this very machine: only asking tells whether it can be reached.
      networkMode: 'always',
      refetchOnWindowFocus: false,
      // What was asked wrongly, or may not be asked, is not asked again.
      retry: (n, e) => n < 1 && e instanceof AskError && e.kind === 'cut',
    },
  },
})

// The colours are right from the first frame on, not from React's first effect on.
const chosen = chosenColours()
const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')

function chosenColours() {
  try {
    return localStorage.getItem('mantine-color-scheme-value')
  } catch {
    return null // the browser keeps nothing for us
  }
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={resolver} defaultColorScheme="auto" getStyleNonce={nonce} deduplicateInlineStyles>
      <QueryClientProvider client={client}>
        <Shell />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
