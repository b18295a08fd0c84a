import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The build holds no date and nothing random: the same sources give the same bytes, and the repository's dist is compared.
export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false }, // the polyfill would be an inline script's worth of code that no target browser needs
    assetsInlineLimit: 0, // the policy allows no data: URLs
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules\/(react|react-dom|scheduler)\// },
            { name: 'mantine', test: /node_modules\/(@mantine|@floating-ui|react-remove-scroll|tabbable)/ },
            { name: 'editor', test: /node_modules\/(@codemirror|@lezer|@marijn|style-mod|w3c-keyname|crelt)\// },
            { name: 'chart', test: /node_modules\/uplot\// },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: process.env.ANNALS_API ?? 'http://127.0.0.1:7090', changeOrigin: false } },
  },
})

declare const process: { env: Record<string, string | undefined> }
