import { Component, type ReactNode } from 'react'
import { Button } from './Button'
import { Icon } from './Icon'
import css from './ui.module.css'

interface Props {
  what: string
  /** When it changes, what failed is tried again. */
  anew?: string
  children: ReactNode
}

/** Keeps what fails in one part from taking the others away, such as a part that cannot be loaded any more. */
export class Boundary extends Component<Props, { error?: Error }> {
  state: { error?: Error } = {}

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  componentDidUpdate(before: Props) {
    if (before.anew !== this.props.anew && this.state.error) this.setState({ error: undefined })
  }

  render() {
    const { error } = this.state
    if (!error) return this.props.children
    const loading = /import|preload|fetch/i.test(error.message)
    return (
      <div className={css.box} role="alert">
        <Icon name="alert" size={18} />
        <div>
          <strong>{this.props.what} cannot be shown</strong>
          <p>{loading ? 'A part of the page could not be loaded: the server cannot be reached, or has been updated since this page was opened.' : error.message}</p>
        </div>
        <Button small icon="refresh" onClick={() => (loading ? window.location.reload() : this.setState({ error: undefined }))}>
          {loading ? 'Load the page again' : 'Try again'}
        </Button>
      </div>
    )
  }
}
