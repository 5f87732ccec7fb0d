import CustodyWire

/// Why a callback is not believed, in one vocabulary for all counterparties.
///
/// The raw values are stable codes: the log and the audit trail say them, docs/operating/bad-input.md lists them. Whoever sent
/// the callback is told none of them.
enum CallbackRefusal: String, Error, CaseIterable {
    /// Not the message it should be: no JSON or form, a name twice, fields missing that every one has.
    case malformedBody = "malformed_body"
    /// A header field that proves who wrote it is missing, there twice, or not what it should be.
    case badHeader = "bad_header"
    /// Signed in a way that this link does not speak.
    case unsupportedAlgorithm = "unsupported_algorithm"
    /// Signed under the number of a key or certificate that the link does not have.
    case unknownSerial = "unknown_serial"
    /// Signed under a certificate before or after its time.
    case certificateNotValid = "certificate_not_valid"
    /// Signed too long ago, or ahead of time.
    case stale
    /// A nonce of another form than the protocol's.
    case badNonce = "bad_nonce"
    /// A probe: WeChat Pay wants to see it refused.
    case probe
    /// The signature does not hold over the bytes that came.
    case badSignature = "bad_signature"
    /// Written for another application, merchant, partner or market.
    case anotherMerchant = "another_merchant"
    /// Our own link holds no key that can be read.
    case unusableLink = "unusable_link"

    /// The code of what a verification threw; nil for an error that is none of a verification.
    init?(_ error: any Error) {
        switch error {
        case let refusal as CallbackRefusal: self = refusal
        case let rejection as WeChatPayCallback.Rejection: self.init(rejection)
        case let rejection as AlipayNotify.Rejection: self.init(rejection)
        case let rejection as CWP1Rejection: self.init(rejection)
        case let rejection as CCBRejection: self.init(rejection)
        default: return nil
        }
    }

    private init(_ rejection: WeChatPayCallback.Rejection) {
        switch rejection {
        case .malformed, .undecryptable: self = .malformedBody
        case .signature(let signature):
            switch signature {
            case .badHeader: self = .badHeader
            case .stale: self = .stale
            case .unknownSerial: self = .unknownSerial
            case .expired: self = .certificateNotValid
            case .probe: self = .probe
            case .badSignature: self = .badSignature
            }
        }
    }

    private init(_ rejection: AlipayNotify.Rejection) {
        switch rejection {
        case .malformed, .missing: self = .malformedBody
        case .badSignature: self = .badSignature
        case .foreignApp, .foreignSeller: self = .anotherMerchant
        case .unknownSignType: self = .unsupportedAlgorithm
        case .unknownCertificate: self = .unknownSerial
        case .unusableKey: self = .unusableLink
        }
    }

    private init(_ rejection: CWP1Rejection) {
        switch rejection {
        case .missingHeader, .wrongMethod: self = .badHeader
        case .unsupportedAlgorithm: self = .unsupportedAlgorithm
        case .unknownSerial: self = .unknownSerial
        case .staleTime: self = .stale
        case .badNonce: self = .badNonce
        case .badSignature: self = .badSignature
        case .malformedBody: self = .malformedBody
        case .wrongPartner, .wrongMarket: self = .anotherMerchant
        }
    }

    private init(_ rejection: CCBRejection) {
        switch rejection {
        case .malformedBody: self = .malformedBody
        case .badSignature: self = .badSignature
        case .wrongMarket: self = .anotherMerchant
        case .wrongMethod: self = .badHeader
        }
    }
}
