package observed

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/logging"
)

// MetadataService makes a client of the instance metadata service, as the SDK's
// own chain of settings has it: the endpoint, its mode, whether it is to be used
// at all, from the environment and from the files of profiles. It speaks IMDSv2
// only, whatever they say. Settings that cannot be read are said by Settings;
// those of the environment count then. Only files are read. It reports whether the service is
// expected to answer: on EC2, and where an endpoint is named.
func MetadataService(options ...func(*imds.Options)) (client *imds.Client, expected bool) {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithLogger(logging.Nop{}), config.WithDefaultsMode(aws.DefaultsModeStandard)) // the mode "auto" would ask the service first
	if err != nil {
		cfg = aws.Config{Logger: logging.Nop{}}
		if env, err := config.NewEnvConfig(); err == nil {
			cfg.ConfigSources = []any{env}
		}
	}
	cfg.Retryer = nil // it has its own: no answer means no instance
	options = append(options, func(o *imds.Options) { o.EnableFallback = aws.FalseTernary })
	client = imds.NewFromConfig(cfg, options...)
	return client, OnEC2() || slices.ContainsFunc(cfg.ConfigSources, namesEndpoint)
}

// namesEndpoint reports whether a source of settings names an endpoint of the
// metadata service.
func namesEndpoint(source any) bool {
	s, ok := source.(interface {
		GetEC2IMDSEndpoint() (string, bool, error)
	})
	if !ok {
		return false
	}
	_, found, err := s.GetEC2IMDSEndpoint()
	return found && err == nil
}

// Connect builds a client of EC2; see Settings.
func Connect(ctx context.Context) (*ec2.Client, error) {
	cfg, err := Settings(ctx)
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.APIOptions = append(o.APIOptions, inRegion(o.Region)) }), nil
}

// Settings reads the SDK's own chain of settings (AWS_ENDPOINT_URL, AWS_REGION,
// profiles, roles). It may ask the metadata service for the region, so keep it
// away from the host's path. Clients made from them say nothing on standard
// error, where the SDK would write lines of a form of its own; what fails comes
// back as an error.
func Settings(ctx context.Context) (aws.Config, error) {
	metadata, _ := MetadataService()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}), config.WithHTTPClient(noticed()),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = metadata }),
		func(o *config.LoadOptions) error {
			o.DefaultsModeOptions.IMDSClient = metadata
			return nil
		})
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		if cfg.Region, err = region(ctx, metadata); err != nil {
			return aws.Config{}, err
		}
	}
	return cfg, nil
}

func region(ctx context.Context, metadata *imds.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	out, err := metadata.GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil {
		return "", Told(fmt.Errorf("finding the AWS region (set AWS_REGION to name it): %w: %w", ErrNoMetadata, err))
	}
	return out.Region, nil
}
