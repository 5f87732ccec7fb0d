import CustodyConnectors
import CustodyDomain
import CustodyWire
import Foundation
import Logging

/// Writes each log message as one line of JSON on standard error: `time`, `level`, `logger`, `message`, then its metadata.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let label: String

    /// Makes a handler for a logger of this label.
    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    /// Makes all loggers of this process write JSON, from the level that `CUSTODY_LOG_LEVEL` names on, or `info`.
    static func bootstrap() {
        let level = Settings.environment("log_level").flatMap { Logger.Level(rawValue: $0) } ?? .info
        LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: level) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members: [JSON.Member] = [
            .init("time", .string(WallClock.now().rfc3339)), .init("level", .string(event.level.rawValue)),
            .init("logger", .string(label)), .init("message", .string(event.message.description)),
        ]
        let reserved: Set<String> = ["time", "level", "logger", "message"]
        let all = metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            members.append(.init(reserved.contains(key) ? "_" + key : key, .string(value.description)))
        }
        // One write per line, so that lines of several threads never mix.
        FileHandle.standardError.write(Data(JSON.object(members).bytes + [0x0A]))
    }
}
