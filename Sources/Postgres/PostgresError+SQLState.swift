import CLibpq

extension PostgresError {
    /// What a SQLSTATE means to us: the only place that knows the codes.
    static func kind(sqlState: String, constraint: String?, cancelRequested: Bool) -> Kind {
        switch sqlState {
        case "40001": .serialization
        case "40P01": .deadlock
        case "55P03": .lockTimeout
        case "57014": cancelRequested ? .cancelled : .statementTimeout
        case "23505": .uniqueViolation(constraint ?? "")
        case "23503": .foreignKeyViolation(constraint ?? "")
        case "23514": .checkViolation(constraint ?? "")
        case "23502": .notNullViolation
        case "42501": .insufficientPrivilege
        case "25P02": .transactionFailed
        case "26000": .stalePlan
        case "53100": .diskFull
        case "53300": .tooManyConnections
        case "57P01", "57P02", "57P03": .serverShutdown
        // 25P03 is the server ending a session that stayed idle in a transaction: nothing was committed.
        case "25P03": .connectionLost
        case "P0001": .raised(sqlState)
        default: sqlState.hasPrefix("CU") ? .raised(sqlState) : .other
        }
    }

    /// Reads the error a result carries; a result without a SQLSTATE was made by libpq itself when the connection broke.
    init(result: OpaquePointer, cancelRequested: Bool, statementIndex: Int?) {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        guard let sqlState = field("C") else {
            self.init(.connectionLost, message: "the connection to the server is lost", statementIndex: statementIndex)
            return
        }
        let constraint = field("n")
        var kind = Self.kind(sqlState: sqlState, constraint: constraint, cancelRequested: cancelRequested)
        // "cached plan must not change result type": told from other 0A000 by the server function that raises it,
        // because messages are translated.
        if sqlState == "0A000", field("R") == "RevalidateCachedQuery" { kind = .stalePlan }
        let message = sqlState.hasPrefix("22") ? "a value is not what the statement needs" : field("M")
        self.init(
            kind: kind, sqlState: sqlState, constraint: constraint, message: message ?? "",
            statementIndex: statementIndex)
    }

    /// Reads the message of a failed connection attempt, which libpq gives only as text ("FATAL:  57P03: …" when verbose).
    init(connectMessage text: String) {
        var kind = Kind.connectFailed
        var state: String?
        for part in text.split(separator: ":").dropFirst() {
            let word = part.drop { $0 == " " }
            guard word.count == 5, word.allSatisfy({ $0.isASCII && ($0.isNumber || $0.isUppercase) }),
                word.contains(where: \.isNumber)
            else { continue }
            state = String(word)
            let known = Self.kind(sqlState: String(word), constraint: nil, cancelRequested: false)
            if known == .serverShutdown || known == .tooManyConnections { kind = known }
            break
        }
        let line = text.split(separator: "\n").first.map(String.init) ?? "cannot connect"
        self.init(kind: kind, sqlState: state, constraint: nil, message: line)
    }
}
