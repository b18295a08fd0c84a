// Text in events is written by whoever sent the request. React keeps it from being markup; what is left is text that reorders
// or hides what stands around it. inert writes such characters out.

// C0 and C1 controls but tab and newline, soft hyphen, zero-width and bidirectional controls, line separators, tags.
const unsafe =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]/gu

function written(c: string): string {
  const code = c.codePointAt(0)!
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
}

export function inert(text: string): string {
  return text.replace(unsafe, written)
}

/** cut gives the first of a text that may be very long, and never half of a character. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length)
}
