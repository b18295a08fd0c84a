// The page's policy lets in style tags with this nonce alone. Whatever makes style tags is given it.
const value = document.querySelector('meta[name=csp-nonce]')?.getAttribute('content') ?? ''

export const nonce = () => value

declare global {
  var __webpack_nonce__: string | undefined
}
globalThis.__webpack_nonce__ = value // where get-nonce looks, which the dialogs' scroll lock asks
