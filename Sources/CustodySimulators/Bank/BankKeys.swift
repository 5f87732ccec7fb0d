import CustodyDomain
import CustodyWire

/// The bank's keys, of both kinds. A kind has two while one replaces the other: both decrypt, the current one signs.
struct BankKeys: Sendable {
    struct Key: Sendable {
        let serial: String
        let pair: CWP1KeyPair
        let signer: CWP1Signer
    }

    private struct Ring: Sendable {
        var keys: [Key]
        var current: Key

        init(_ key: Key) {
            keys = [key]
            current = key
        }
    }

    private var rsa: Ring
    private var sm2: Ring
    private var counter: Int

    init() throws {
        rsa = Ring(try BankKeys.key(.rsaSHA256, 1))
        sm2 = Ring(try BankKeys.key(.sm2SM3, 2))
        counter = 2
    }

    private subscript(_ algorithm: CWP1Algorithm) -> Ring {
        get { algorithm == .rsaSHA256 ? rsa : sm2 }
        set { if algorithm == .rsaSHA256 { rsa = newValue } else { sm2 = newValue } }
    }

    private static func key(_ algorithm: CWP1Algorithm, _ number: Int) throws -> Key {
        let pair = try CWP1KeyPair(algorithm)
        let digits = String(number)
        let serial = "BANK" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        return Key(serial: serial, pair: pair, signer: try CWP1Signer(serial: serial, privateKeyPEM: pair.privatePEM))
    }

    /// All keys of a kind, newest first.
    func all(_ algorithm: CWP1Algorithm) -> [Key] { self[algorithm].keys.reversed() }

    /// The key that signs.
    func current(_ algorithm: CWP1Algorithm) -> Key { self[algorithm].current }

    /// Makes another key of a kind.
    mutating func add(_ algorithm: CWP1Algorithm) throws -> Key {
        counter += 1
        let key = try BankKeys.key(algorithm, counter)
        self[algorithm].keys.append(key)
        return key
    }

    /// Signs with a key from now on; whether there is such a key.
    mutating func use(_ serial: String) -> Bool {
        for algorithm in CWP1Algorithm.allCases {
            guard let key = self[algorithm].keys.first(where: { $0.serial == serial }) else { continue }
            self[algorithm].current = key
            return true
        }
        return false
    }

    /// Forgets a key that no longer signs; whether there was one.
    mutating func retire(_ serial: String) -> Bool {
        for algorithm in CWP1Algorithm.allCases where self[algorithm].current.serial != serial {
            let left = self[algorithm].keys.filter { $0.serial != serial }
            guard left.count < self[algorithm].keys.count else { continue }
            self[algorithm].keys = left
            return true
        }
        return false
    }
}
