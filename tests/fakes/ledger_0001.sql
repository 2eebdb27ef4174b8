-- A ledger as the first version of the bot made it: its tables to the letter, and a few rows of each.
CREATE TABLE events (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	kind VARCHAR NOT NULL, 
	text VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE fills (
	client_id VARCHAR(64) NOT NULL, 
	tick BIGINT NOT NULL, 
	quantity VARCHAR(64) NOT NULL, 
	price VARCHAR(64) NOT NULL, 
	mid VARCHAR(64) NOT NULL, 
	fee VARCHAR(64) NOT NULL, 
	PRIMARY KEY (client_id), 
	FOREIGN KEY(client_id) REFERENCES intents (client_id)
);
CREATE TABLE funding (
	run_id INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	venue VARCHAR(32) NOT NULL, 
	symbol VARCHAR(64) NOT NULL, 
	slot BIGINT NOT NULL, 
	rate VARCHAR(64) NOT NULL, 
	amount VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run_id, tick, venue, symbol, slot), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE intents (
	client_id VARCHAR(64) NOT NULL, 
	run_id INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	slot BIGINT NOT NULL, 
	leg BIGINT NOT NULL, 
	venue VARCHAR NOT NULL, 
	symbol VARCHAR NOT NULL, 
	quantity VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	reason VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	PRIMARY KEY (client_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	world VARCHAR NOT NULL, 
	profile VARCHAR NOT NULL, 
	description VARCHAR NOT NULL, 
	champion VARCHAR NOT NULL, 
	capital VARCHAR(64) NOT NULL, 
	from_ms BIGINT NOT NULL, 
	to_ms BIGINT, 
	state VARCHAR NOT NULL, 
	instruments JSON NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE snapshots (
	run_id INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	books JSON NOT NULL, 
	PRIMARY KEY (run_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE ticks (
	run_id INTEGER NOT NULL, 
	tick BIGINT NOT NULL, 
	equity VARCHAR(64) NOT NULL, 
	action BIGINT, 
	PRIMARY KEY (run_id, tick), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE trades (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	number BIGINT NOT NULL, 
	asset VARCHAR NOT NULL, 
	long_venue VARCHAR NOT NULL, 
	long_symbol VARCHAR NOT NULL, 
	short_venue VARCHAR NOT NULL, 
	short_symbol VARCHAR NOT NULL, 
	quantity VARCHAR(64) NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	closed_ms BIGINT NOT NULL, 
	long_entry VARCHAR(64) NOT NULL, 
	long_exit VARCHAR(64) NOT NULL, 
	short_entry VARCHAR(64) NOT NULL, 
	short_exit VARCHAR(64) NOT NULL, 
	notional VARCHAR(64) NOT NULL, 
	funding VARCHAR(64) NOT NULL, 
	basis VARCHAR(64) NOT NULL, 
	fees VARCHAR(64) NOT NULL, 
	slippage VARCHAR(64) NOT NULL, 
	reason VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (run_id, number), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_runs_world ON runs (world);
CREATE INDEX ix_intents_run_id ON intents (run_id);
CREATE INDEX ix_events_run_id ON events (run_id);
INSERT INTO runs VALUES (1, 'w', 'sandbox', 'synthetic market', 'rule', '10000.0', 3600000000, NULL, 'abandoned', '{"instruments": []}');
INSERT INTO runs VALUES (2, 'w', 'sandbox', 'synthetic market', 'rule', '10000.0', 3600000000, 3996000000, 'running', '{"instruments": []}');
INSERT INTO ticks VALUES (1, 3600000000, '10000.0', 1);
INSERT INTO ticks VALUES (2, 3600000000, '10000.0', 3);
INSERT INTO ticks VALUES (2, 3603600000, '9999.700000000001', NULL);
INSERT INTO intents VALUES ('a', 2, 3600000000, 0, 0, 'binance', 'X/USDT:USDT', '3.0', '100.0', 'entry', 'filled');
INSERT INTO intents VALUES ('b', 2, 3600000000, 0, 1, 'hyperliquid', 'X/USDC:USDC', '-3.0', '100.1', 'entry', 'pending');
INSERT INTO fills VALUES ('a', 3600000000, '3.0', '100.01', '100.0', '-0.150015');
INSERT INTO funding VALUES (2, 3603600000, 'binance', 'X/USDT:USDT', 0, '0.0001', '-0.030003');
INSERT INTO funding VALUES (2, 3603600000, 'hyperliquid', 'X/USDC:USDC', 0, '1.25E-5', '0.00375375');
INSERT INTO trades VALUES (5, 2, 1, 'X', 'binance', 'X/USDT:USDT', 'hyperliquid', 'X/USDC:USDC', '3.0', 3600000000, 3603600000, '100.01', '100.0', '100.1', '100.0', '300.03', '-0.02', '0.27', '-0.6', '-0.03', 'policy');
INSERT INTO events VALUES (7, 2, 3603600000, 'exited', 'exited X after 1 h');
INSERT INTO snapshots VALUES (2, 3603600000, '{"cash": [4999.85, 4999.85]}');
