/** Save bytes, in base64 as the API gives them, as a file. */
export function save(base64: string, name: string) {
  const text = atob(base64)
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0))
  saveBlob(new Blob([bytes], { type: 'application/octet-stream' }), name)
}

export function saveBlob(blob: Blob, name: string) {
  const url = URL.createObjectURL(blob)
  const a = document.createElement('a')
  a.href = url
  a.download = name.replace(/[^\w.-]+/g, '_')
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
