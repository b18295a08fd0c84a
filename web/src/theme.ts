import { createTheme, type MantineColorsTuple, type CSSVariablesResolver } from '@mantine/core'

// One visual language: Mantine's parts take the tokens of theme.css, so that a colour is chosen in one place.

const ink: MantineColorsTuple = ['#e6eefa', '#cfdef2', '#a8c3e6', '#7fa5d8', '#5987c7', '#376bb0', '#1d4f91', '#184279', '#123460', '#0c2444']

export const theme = createTheme({
  primaryColor: 'ink',
  primaryShade: { light: 6, dark: 3 },
  colors: { ink },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 4,
  cursorType: 'pointer',
  respectReducedMotion: true,
  autoContrast: true,
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: { fontFamily: 'var(--sans)', fontWeight: '650' },
  components: {
    Tooltip: { defaultProps: { openDelay: 350, withArrow: false, transitionProps: { duration: 80 } } },
    Modal: { defaultProps: { centered: false, radius: 6, transitionProps: { duration: 120 } } },
    Menu: { defaultProps: { shadow: 'md', position: 'bottom-end', transitionProps: { duration: 80 } } },
    Popover: { defaultProps: { shadow: 'md', transitionProps: { duration: 80 } } },
    Drawer: { defaultProps: { transitionProps: { duration: 140 } } },
  },
})

const both = {
  '--mantine-color-body': 'var(--bg)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--soft)',
  '--mantine-color-default': 'var(--panel)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-default-border': 'var(--line)',
  '--mantine-color-placeholder': 'var(--soft)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-shadow-md': 'var(--shadow)',
}

export const resolver: CSSVariablesResolver = () => ({ variables: {}, light: both, dark: both })
