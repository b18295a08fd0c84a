export default function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  return <button onClick={onSignedIn}>Sign in</button>
}
