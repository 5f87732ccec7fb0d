/// Why something of the Chinese commercial cryptography (商密) could not be done.
public enum ShangMiError: Error, Hashable, Sendable {
    /// The system's OpenSSL cannot do it.
    case unavailable
}
