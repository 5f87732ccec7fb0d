/// How to reach a database, and how long to wait for it.
public struct PostgresConfiguration: Sendable {
    /// How the connection is protected.
    public enum TLS: Hashable, Sendable {
        /// Never: for sockets and loopback.
        case disable
        /// When the server offers it; protects from nobody who can change traffic.
        case prefer
        /// Always, without checking whom we speak to.
        case require
        /// Always, with the certificate checked against this root and the host name.
        case verifyFull(rootCertificatePath: String)
    }

    /// A host name, an address, or the directory of a Unix socket.
    public var host: String
    /// The port; for a socket the number in its name.
    public var port: Int
    /// The database.
    public var database: String
    /// The role.
    public var user: String
    /// The password, when the server asks for one; never logged.
    public var password: String?
    /// What the server shows in `pg_stat_activity`.
    public var applicationName: String
    /// How the connection is protected.
    public var tls: TLS
    /// How long making a connection may take.
    public var connectTimeout: Duration
    /// How long one statement may take; zero is no limit. The client gives the server a little longer, then gives up too.
    public var statementTimeout: Duration
    /// How long a session may stay idle inside a transaction; zero is no limit.
    public var idleInTransactionTimeout: Duration
    /// How long a statement waits for a lock; zero is no limit.
    public var lockTimeout: Duration
    /// Whether statements are prepared once per connection.
    ///
    /// False is for PgBouncer in transaction mode before 1.21: statements travel unnamed, and the three time limits above
    /// are left to the role (`ALTER ROLE … SET`), since such a pooler cannot keep session settings.
    public var preparesStatements: Bool

    /// Describes a database; every limit has a default that suits a server nearby.
    public init(
        host: String, port: Int = 5432, database: String, user: String, password: String? = nil,
        applicationName: String = "custody", tls: TLS = .prefer, connectTimeout: Duration = .seconds(5),
        statementTimeout: Duration = .seconds(30), idleInTransactionTimeout: Duration = .seconds(30),
        lockTimeout: Duration = .seconds(10), preparesStatements: Bool = true
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.password = password
        self.applicationName = applicationName
        self.tls = tls
        self.connectTimeout = connectTimeout
        self.statementTimeout = statementTimeout
        self.idleInTransactionTimeout = idleInTransactionTimeout
        self.lockTimeout = lockTimeout
        self.preparesStatements = preparesStatements
    }

    /// The keywords libpq is given.
    var keywords: [(String, String)] {
        var list = [
            ("host", host), ("port", String(port)), ("dbname", database), ("user", user),
            ("application_name", applicationName), ("client_encoding", "UTF8"), ("gssencmode", "disable"),
            // A peer that vanished is noticed in about 25 s instead of hours.
            ("keepalives", "1"), ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "25000"),
        ]
        if let password { list.append(("password", password)) }
        switch tls {
        case .disable: list.append(("sslmode", "disable"))
        case .prefer: list.append(("sslmode", "prefer"))
        case .require: list.append(("sslmode", "require"))
        case .verifyFull(let path):
            list.append(("sslmode", "verify-full"))
            list.append(("sslrootcert", path))
        }
        if preparesStatements {
            let limits = """
                -c statement_timeout=\(statementTimeout.milliseconds) \
                -c idle_in_transaction_session_timeout=\(idleInTransactionTimeout.milliseconds) \
                -c lock_timeout=\(lockTimeout.milliseconds) -c TimeZone=UTC
                """
            list.append(("options", limits))
        }
        return list
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, so that a short limit never becomes none.
    var milliseconds: Int64 {
        components.seconds * 1000 + (components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
